"""The peer: the same schema and the same responses, written in the usual way for comparison.

It uses FastAPI, Pydantic, the async SQLAlchemy ORM with selectinload, and aiosqlite. As in the product, sessions are
found by the hash of the cookie, totals are counted, and changes are durable and recorded. Except for CSRF it leaves
out the product's other checks, which favours the peer.
"""

import hashlib
import hmac
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar

from fastapi import Cookie, Depends, FastAPI, Header, HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field, computed_field
from sqlalchemy import ForeignKey, LargeBinary, Text, event, func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    contains_eager,
    joinedload,
    mapped_column,
    relationship,
    selectinload,
)

from issue_tracker.database.types import Instant

URL = os.environ["BENCH_PEER_DATABASE"]
engine = create_async_engine(URL, pool_size=12, max_overflow=0)
Sessions = async_sessionmaker(engine, expire_on_commit=False)


@event.listens_for(engine.sync_engine, "connect")
def _configure(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


class Base(DeclarativeBase):
    """The product's tables."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: Instant}


class User(Base):
    __tablename__ = "users"
    user_id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]
    name: Mapped[str]
    role: Mapped[str]
    active: Mapped[bool]


class SignIn(Base):
    __tablename__ = "sessions"
    id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.user_id"))
    used_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    user: Mapped[User] = relationship()


class Company(Base):
    __tablename__ = "companies"
    company_id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    name_key: Mapped[str]


class Issue(Base):
    __tablename__ = "issues"
    issue_id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    name_key: Mapped[str]
    description: Mapped[str | None] = mapped_column(Text)
    revision: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    assignments: Mapped[list["Assignment"]] = relationship(back_populates="issue")


class Assignment(Base):
    __tablename__ = "assignments"
    assignment_id: Mapped[int] = mapped_column(primary_key=True)
    issue_id: Mapped[int] = mapped_column(ForeignKey("issues.issue_id"))
    company_id: Mapped[int] = mapped_column(ForeignKey("companies.company_id"))
    status: Mapped[str]
    updated_at: Mapped[datetime]
    issue: Mapped[Issue] = relationship(back_populates="assignments")
    company: Mapped[Company] = relationship()

    @property
    def company_name(self) -> str:
        return self.company.name

    @property
    def status_label(self) -> str:
        return self.status.replace("_", " ").capitalize()


class Event(Base):
    __tablename__ = "events"
    event_id: Mapped[int] = mapped_column(primary_key=True)
    type: Mapped[str]
    audit: Mapped[bool]
    at: Mapped[datetime]
    actor_id: Mapped[int]
    actor_name: Mapped[str]
    channel: Mapped[str]
    request_id: Mapped[str]
    issue_id: Mapped[int]
    issue_name: Mapped[str]
    issue_key: Mapped[str]
    company_id: Mapped[int]
    company_name: Mapped[str]
    company_key: Mapped[str]
    from_value: Mapped[str | None]
    to_value: Mapped[str]


class AssignmentOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    assignment_id: int
    issue_id: int
    company_id: int
    company_name: str
    status: str
    status_label: str
    updated_at: datetime

    @computed_field  # type: ignore[prop-decorator]  # mypy rejects decorated properties
    @property
    def updated_at_iso(self) -> datetime:
        return self.updated_at


class IssueOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    issue_id: int
    name: str
    description: str | None
    created_at: datetime
    updated_at: datetime
    assignments: list[AssignmentOut]

    @computed_field  # type: ignore[prop-decorator]  # mypy rejects decorated properties
    @property
    def created_at_iso(self) -> datetime:
        return self.created_at

    @computed_field  # type: ignore[prop-decorator]  # mypy rejects decorated properties
    @property
    def updated_at_iso(self) -> datetime:
        return self.updated_at


class IssueList(BaseModel):
    items: list[IssueOut]
    total: int


class StatusChange(BaseModel):
    issue_name: str = Field(max_length=255)
    company_name: str = Field(max_length=255)
    status: str


class Changed(AssignmentOut):
    issue_name: str


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


async def database() -> AsyncIterator[AsyncSession]:
    async with Sessions() as session:
        yield session


Database = Annotated[AsyncSession, Depends(database)]


async def signed_in(db: Database, issue_tracker_session: Annotated[str | None, Cookie()] = None) -> User:
    """Returns the user of the session, by the same rule as the product."""
    token_hash = hashlib.sha256((issue_tracker_session or "").encode()).digest()
    found = await db.scalar(select(SignIn).options(joinedload(SignIn.user)).where(SignIn.token_hash == token_hash))
    at = datetime.now(UTC)
    if found is None or found.expires_at <= at or found.used_at + timedelta(hours=12) <= at or not found.user.active:
        raise HTTPException(401)
    if found.user.role not in ("technician", "super_admin"):
        raise HTTPException(403)
    return found.user


SignedIn = Annotated[User, Depends(signed_in)]


@app.get("/api/issues")
async def list_issues(
    db: Database,
    _user: SignedIn,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
    status: str | None = None,
    companyName: str | None = None,
) -> IssueList:
    """Returns a page of issues by name, each with its matching assignments."""
    if status is None and companyName is None:
        query = select(Issue).order_by(Issue.name_key, Issue.issue_id).limit(limit)
        query = query.options(selectinload(Issue.assignments).joinedload(Assignment.company, innerjoin=True))
        found = (await db.scalars(query)).all()
        total = await db.scalar(select(func.count()).select_from(Issue))
    else:
        query = (
            select(Issue)
            .join(Issue.assignments)
            .join(Assignment.company)
            .where(Assignment.status == status, Company.name_key == (companyName or "").casefold())
            .order_by(Issue.name_key, Issue.issue_id)
            .options(contains_eager(Issue.assignments).contains_eager(Assignment.company))
        )
        found = (await db.scalars(query)).unique().all()
        total = len(found)
    for issue in found:
        issue.assignments.sort(key=lambda member: member.company.name_key)
    return IssueList(items=[IssueOut.model_validate(issue) for issue in found], total=total or 0)


@app.put("/api/issues/status")
async def set_status(
    db: Database,
    user: SignedIn,
    change: StatusChange,
    issue_tracker_session: Annotated[str, Cookie()],
    x_csrf_token: Annotated[str, Header()] = "",
) -> Changed:
    """Sets the status of an assigned company and records the change."""
    csrf = hmac.new(issue_tracker_session.encode(), b"issue-tracker csrf", hashlib.sha256).hexdigest()
    if not hmac.compare_digest(csrf, x_csrf_token):
        raise HTTPException(403)
    found = await db.scalar(
        select(Assignment)
        .join(Assignment.issue)
        .join(Assignment.company)
        .where(Issue.name_key == change.issue_name.casefold(), Company.name_key == change.company_name.casefold())
        .options(contains_eager(Assignment.issue), contains_eager(Assignment.company))
    )
    if found is None:
        raise HTTPException(404)
    at = datetime.now(UTC)
    issue, company, before = found.issue, found.company, found.status
    found.status, found.updated_at = change.status, at
    issue.updated_at, issue.revision = at, issue.revision + 1
    db.add(
        Event(
            type="assignment.status_changed",
            audit=False,
            at=at,
            actor_id=user.user_id,
            actor_name=user.name,
            channel="session",
            request_id="peer",
            issue_id=issue.issue_id,
            issue_name=issue.name,
            issue_key=issue.name_key,
            company_id=company.company_id,
            company_name=company.name,
            company_key=company.name_key,
            from_value=before,
            to_value=change.status,
        )
    )
    await db.commit()
    return Changed.model_validate(
        {**AssignmentOut.model_validate(found).model_dump(exclude={"updated_at_iso"}), "issue_name": issue.name}
    )
