"""The keyring: a file of keys that is made once, guarded, read anew, and never taken for another."""

from pathlib import Path

import pytest

from runsd.errors import SecretsLocked
from runsd.keyring import Keyring


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path / "secrets.key")


def test_the_key_is_made_with_the_first_value_and_is_its_owners_alone(keyring: Keyring) -> None:
    sealed = keyring.seal("höchst geheim", may_make=True)
    assert b"geheim" not in sealed
    assert keyring.path.stat().st_mode & 0o777 == 0o600
    assert Keyring(keyring.path).open(sealed) == "höchst geheim"
    assert keyring.seal("x", may_make=True) != keyring.seal("x", may_make=True)


def test_a_key_that_is_missing_is_not_replaced_while_something_needs_it(keyring: Keyring) -> None:
    with pytest.raises(SecretsLocked, match="put it back"):
        keyring.seal("x", may_make=False)
    assert not keyring.path.exists()
    sealed = keyring.seal("x", may_make=True)
    keyring.path.unlink()
    with pytest.raises(SecretsLocked, match="put it back"):
        keyring.open(sealed)


def test_another_key_opens_nothing_and_says_so(keyring: Keyring, tmp_path: Path) -> None:
    sealed = keyring.seal("hush", may_make=True)
    other = Keyring(tmp_path / "other")
    other.seal("x", may_make=True)
    other.path.replace(keyring.path)
    with pytest.raises(SecretsLocked, match="another key") as refusal:
        keyring.open(sealed)
    assert "hush" not in str(refusal.value)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"not a key\n", b"c2hvcnQ=\n"])
def test_a_file_without_a_key_says_so(keyring: Keyring, content: bytes) -> None:
    keyring.path.write_bytes(content)
    keyring.path.chmod(0o600)
    with pytest.raises(SecretsLocked, match="put the right key file back"):
        keyring.seal("x", may_make=True)


def test_a_key_that_others_may_read_is_refused_with_the_remedy(keyring: Keyring) -> None:
    sealed = keyring.seal("x", may_make=True)
    keyring.path.chmod(0o640)
    with pytest.raises(SecretsLocked, match="chmod 600"):
        Keyring(keyring.path).open(sealed)


def test_a_new_key_seals_and_the_old_one_opens_until_it_is_dropped(keyring: Keyring) -> None:
    old = keyring.seal("x", may_make=True)
    Keyring(keyring.path).add_key()  # by another process
    new = keyring.seal_anew(old)
    assert (keyring.open(old), keyring.open(new)) == ("x", "x")
    assert Keyring(keyring.path).drop_old_keys() == 1
    assert keyring.open(new) == "x"
    with pytest.raises(SecretsLocked):
        keyring.open(old)


def test_where_no_file_can_be_made_the_error_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(SecretsLocked, match=r"secrets\.key_file"):
        Keyring(tmp_path / "absent" / "key").seal("x", may_make=True)
