"""The replacement of the server key in a column of encrypted texts (docs/decisions/0022-server-key.md)."""

from typing import Any

from sqlalchemy import Column, Connection, Select, update

from issue_tracker.encryption import Keyring, Undecryptable


def reencrypt_column(
    tx: Connection, keyring: Keyring, texts: Select[Any], column: Column[Any], row_id: Column[Any]
) -> tuple[int, list[int]]:
    """Encrypts with the first key every text that is not yet. Leaves texts that no key decrypts unchanged.

    `texts` selects the `row_id` of each row, the id of its owner and the text in `column`; the rows are locked. Returns
    the number of re-encrypted texts, and the ids of the owners of texts that no available key decrypts.
    """
    changed, unreadable = 0, []
    for row, owner, text in tx.execute(texts.with_for_update(of=column.table)).all():
        if keyring.is_current(text):
            continue
        try:
            renewed = keyring.encrypt(keyring.decrypt(text))
        except Undecryptable:
            unreadable.append(owner)
            continue
        tx.execute(update(column.table).where(row_id == row).values({column: renewed}))
        changed += 1
    return changed, unreadable
