"""Notes: the small compare-and-swap table for schedules and the registry of workers."""

from jq_cli.testing.store import Store


class NotesTests:
    """read and swap."""

    def test_a_note_that_is_absent_is_written(self, store: Store) -> None:
        assert store.backend.swap("a", None, b"1")
        assert store.backend.read("a") == {"a": b"1"}

    def test_a_note_that_exists_is_not_written_as_if_it_were_absent(self, store: Store) -> None:
        store.backend.swap("a", None, b"1")
        assert not store.backend.swap("a", None, b"2")
        assert store.backend.read("a") == {"a": b"1"}

    def test_a_note_is_replaced_only_if_it_still_is_what_the_caller_saw(self, store: Store) -> None:
        store.backend.swap("a", None, b"1")
        assert store.backend.swap("a", b"1", b"2")
        assert not store.backend.swap("a", b"1", b"3")
        assert store.backend.read("a") == {"a": b"2"}

    def test_a_note_is_removed_only_if_it_still_is_what_the_caller_saw(self, store: Store) -> None:
        store.backend.swap("a", None, b"1")
        assert not store.backend.swap("a", b"0", None)
        assert store.backend.swap("a", b"1", None)
        assert store.backend.read("") == {}

    def test_a_note_that_is_absent_cannot_be_replaced(self, store: Store) -> None:
        assert not store.backend.swap("a", b"1", b"2")
        assert not store.backend.swap("a", b"1", None)
        assert store.backend.read("") == {}

    def test_notes_are_read_by_prefix(self, store: Store) -> None:
        keys = ["worker:a", "worker:b", "cron:x", "worker", "worker_", "w%", "w_rker:", "w*", "W", "worker:[a]"]
        for key in keys:
            store.backend.swap(key, None, key.encode())
        assert set(store.backend.read("worker:")) == {"worker:a", "worker:b", "worker:[a]"}
        assert set(store.backend.read("worker:[")) == {"worker:[a]"}
        assert set(store.backend.read("w%")) == {"w%"}
        assert set(store.backend.read("w*")) == {"w*"}
        assert set(store.backend.read("w_")) == {"w_rker:"}
        assert store.backend.read("") == {key: key.encode() for key in keys}

    def test_a_note_holds_any_bytes(self, store: Store) -> None:
        for n, value in enumerate((b"", b"\x00\xff", b'{"a": 1}', b"x" * 100_000)):
            assert store.backend.swap(f"n{n}", None, value)
            assert store.backend.read(f"n{n}") == {f"n{n}": value}
            assert store.backend.swap(f"n{n}", value, b"next")

    def test_an_empty_note_is_not_an_absent_one(self, store: Store) -> None:
        store.backend.swap("a", None, b"")
        assert not store.backend.swap("a", None, b"1")
        assert store.backend.swap("a", b"", b"1")

    def test_notes_are_no_queues(self, store: Store) -> None:
        store.backend.swap("worker:x", None, b"1")
        assert store.backend.queues() == []
