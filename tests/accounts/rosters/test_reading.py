"""Files of students as campus systems write them."""

import pytest

from apps.accounts.rosters.reading import MOST_BYTES, UnreadableRoster, columns_of, read

NAMES = ("number", "first_name", "last_name", "email")
MOODLE = "First name,Last name,ID number,Email address\nAda,Lovelace,1815,ada@example.edu\n"
CANVAS = "Student,ID,SIS User ID,SIS Login ID\nAda Lovelace,17,1815,ada\n"
GERMAN = "Matrikelnummer;Vorname;Nachname;E-Mail-Adresse\n1815;Ada;Löwe;ada@example.edu\n"
FINNISH = "Opiskelijanumero\tEtunimi\tSukunimi\tSähköposti\n1815\tÄda\tLovelace\tada@example.edu\n"
FRENCH = "N° étudiant;Prénom;Nom;Adresse e-mail\n1815;Ada;Lovelace;ada@example.edu\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("text", [MOODLE, GERMAN, FINNISH, FRENCH])
def test_files_are_read_as_they_come(text: str, encoding: str) -> None:
    table = read(text.replace("\n", "\r\n").encode(encoding))

    columns = columns_of(table.header)
    assert set(NAMES) <= set(columns)
    assert (table.rows[0][columns["number"]], table.rows[0][columns["email"]]) == ("1815", "ada@example.edu")
    assert table.lines == (2,)


def test_umlauts_survive_every_encoding() -> None:
    assert [read(GERMAN.encode(code)).rows[0][2] for code in ("utf-8", "utf-16", "cp1252")] == ["Löwe"] * 3


def test_the_first_of_two_columns_counts() -> None:
    assert columns_of(read(CANVAS.encode()).header)["number"] == 1


def test_rows_are_as_long_as_the_header_and_empty_ones_are_left_out() -> None:
    table = read(b"id,name\n\n1\n , \n2,Ben,more\n")

    assert (table.rows, table.lines) == ((("1", ""), ("2", "Ben")), (3, 5))


def test_quotes_hold_line_breaks_and_delimiters() -> None:
    assert read(b'id,name\n1,"Lovelace, ""Ada""\nCountess"\n').rows == (("1", 'Lovelace, "Ada"\nCountess'),)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"id,name\n", "no students"),
        (b"PK\x03\x04 a workbook", "save it as CSV"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00", "no text"),
        (b"x" * (MOST_BYTES + 1), "MB"),
        (b"id\n" + b"1\n" * 50_002, "50 000 rows"),
        (b"id," * 200 + b"\n1", "columns"),
        (b'id\n"' + b"x" * 200_000, "cannot be read"),
    ],
)
def test_what_is_no_roster_says_why(content: bytes, said: str) -> None:
    with pytest.raises(UnreadableRoster, match=said):
        read(content)
