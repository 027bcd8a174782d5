"""The watched folders that are kept over restarts, in the catalogue; touches SQLite."""

from __future__ import annotations

from ingest.store import Store, now


class RootsStore:
    """The registry of one catalogue; a collection that is deleted takes its folders along."""

    def __init__(self, store: Store) -> None:
        self._store = store
        with store.writing() as connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS roots ("
                " collection_id INTEGER NOT NULL REFERENCES collections(id) ON DELETE CASCADE,"
                " root TEXT NOT NULL, added_at TEXT NOT NULL,"
                " PRIMARY KEY (collection_id, root)) WITHOUT ROWID"
            )

    def listed(self) -> list[tuple[str, str]]:
        """List all by root and collection, oldest first."""
        with self._store.reading() as connection:
            found = connection.execute(
                "SELECT r.root, c.name FROM roots r JOIN collections c ON c.id = r.collection_id"
                " ORDER BY r.added_at, r.root, c.name"
            ).fetchall()
        return [(root, name) for root, name in found]

    def add(self, root: str, collection: str) -> None:
        """Keep one; keeping it twice does nothing.

        Raises:
            CollectionNotFoundError: there is none of that name.
        """
        number = self._store.collection_id(collection)
        with self._store.writing() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO roots VALUES (?, ?, ?)", (number, root, now())
            )

    def remove(self, root: str, collection: str) -> bool:
        """Keep one no longer; tell whether it was kept."""
        with self._store.writing() as connection:
            cursor = connection.execute(
                "DELETE FROM roots WHERE root = ? AND collection_id IN"
                " (SELECT id FROM collections WHERE name = ?)",
                (root, collection),
            )
            return cursor.rowcount > 0
