"""What columns and roles are called in the exports of Moodle, Canvas, campus systems and people.

Without accents, case and punctuation, as `reading.columns_of` compares them. A new language adds its words here.
"""

from collections.abc import Mapping
from typing import Final


def _names(text: str) -> frozenset[str]:
    return frozenset(" ".join(name.split()) for name in text.split(","))


COLUMNS: Final[Mapping[str, frozenset[str]]] = {
    "number": _names(
        """student number, studentnumber, student id, studentid, id number, idnumber, id, external id,
        sis user id, sis id, sis login id, matriculation number,
        matrikelnummer, matrikel nr, matrikelnr, matr nr, opiskelijanumero, studentnummer, studienummer,
        numero etudiant, numero d etudiant, n etudiant, numero de alumno, numero de estudiante, numero de matricula,
        numero di matricola, matricola"""
    ),
    "email": _names(
        """email, e mail, email address, e mail address, mail, e mail adresse, emailadresse, sahkoposti,
        sahkopostiosoite, adresse e mail, adresse de courriel, courriel, adresse mail, correo, correo electronico,
        direccion de correo, indirizzo e mail, indirizzo email, e post, e postadress, e mailadres"""
    ),
    "first_name": _names(
        """first name, firstname, given name, givenname, vorname, etunimi, prenom, nombre, nome, fornamn, voornaam"""
    ),
    "last_name": _names(
        """last name, lastname, surname, family name, nachname, familienname, sukunimi, nom, nom de famille,
        apellido, apellidos, cognome, efternamn, achternaam"""
    ),
    "name": _names("name, full name, student, display name, nimi, nom complet, nombre completo, namn, naam"),
    "role": _names("role, roles, rolle, rooli, rol, ruolo, roll"),
}
STUDENTS: Final = _names(
    """student, students, learner, studentenrollment, participant, teilnehmer, studierende, studierender, opiskelija,
    etudiant, \N{LATIN SMALL LETTER E WITH ACUTE}tudiant, estudiante, alumno, studente"""
)
STAFF: Final = _names(
    """teacher, teacherenrollment, editingteacher, instructor, assistant, ta, taenrollment, tutor, manager, designer,
    observer, dozent, lehrender, opettaja, enseignant, profesor, docente"""
)
