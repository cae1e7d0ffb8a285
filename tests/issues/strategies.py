"""The strategies from which the operations on issues are drawn."""

from hypothesis import strategies as st

from tests.issues.model import STATUSES, Row

NAMES = ("Slow mail", "SLOW mail", "Broken phones", "a/b", "Straße", "STRASSE", "VPN")
COMPANIES = ("Acme Manufacturing", "Contoso", "Fabrikam", "Müller & Söhne")

names = st.sampled_from(NAMES)
companies = st.sampled_from(COMPANIES)
statuses = st.sampled_from(STATUSES)
notes = st.sampled_from([None, "Router replaced"])
descriptions = st.sampled_from(["", "Packet loss", "Since noon"])
members = st.dictionaries(companies, st.none() | statuses, max_size=3)
several = st.lists(companies, unique=True, max_size=3)
few: st.SearchStrategy[list[str]] = st.just([]) | several
rows = st.lists(
    st.builds(Row, names, descriptions, st.none() | companies, st.none()).flatmap(
        lambda row: st.just(row) if row.company is None else st.builds(row._replace, status=st.none() | statuses)
    ),
    min_size=1,
    max_size=5,
)
