"""Titles, names and texts of all kinds: long ones, other scripts, from right to left, and with combining marks."""

import random

SUBJECTS = (
    "Introduction to Programming",
    "Linear Algebra I",
    "Data Structures and Algorithms",
    "History of the Baltic Sea Region",
    "مقدمة في علم الأحياء",
    "מבוא לפילוסופיה",
    "Tie\u0302\u0301ng Vie\u0323\u0302t for Beginners",
    "データベース概論",
    "Ομηρικά έπη",
    "Statistics for Life Sciences",
    "<b>HTML</b> & the Web",
    "Operating Systems",
)
LONG = (
    "Advanced Seminar in the Theory, Practice, Assessment and Responsible Use of Large Language Models in Higher "
    "Education, with Applications to Writing, Programming and Laboratory Reports (5 ECTS, taught in English)"
)
STUDENTS = ("Student", "Étudiante", "طالب", "סטודנטית", "Ştud\u0308ent", "学生", "Opiskelija")
QUESTIONS = (
    "Why does my loop never end?",
    "Explain the proof of the rank-nullity theorem with a small example.",
    "What is the difference between a **list** and a *tuple* in Python?",
    "```python\ndef fib(n):\n    return fib(n - 1) + fib(n - 2)\n```\nWhat is missing here?",
    "Please write my essay on trees.",
    "Which sources would you read first about the Hanseatic League?",
    "اشرح لي الانقسام المنصف بمثال بسيط",
    "How do I cite a data set?",
    "My p-value is 0.051. What do I write?",
    "Is this SQL safe? `SELECT * FROM users WHERE name = '` + name",
)
ANSWERS = (
    "What have you tried so far? Look at the condition of the loop: which statement changes the variable in it?",
    "The dimension of the kernel and the dimension of the image add up to the dimension of the domain.\n\n1. Take a "
    "basis of the kernel.\n2. Extend it to a basis of the whole space.\n3. The images of the new vectors are a basis.",
    "| | list | tuple |\n|---|---|---|\n| can change | yes | no |\n| as a key | no | yes |",
    "There is no base case. Ask yourself for which `n` you know the answer without computing anything.",
    "Start with an overview, then follow its references; an encyclopedia is a place to begin, not a source to cite.",
)
REASONS = (
    "The tests of exercise 5 need more.",
    "I was ill last week and am catching up.",
    "The project deadline is on Friday.",
    "no",
)
APPEALS = ("This was a question about the method, not a request for the solution.", "no", "It is my own text.")


def title(number: int) -> str:
    """The title of a course; one in eleven has 200 characters."""
    if number % 11 == 10:
        return LONG[:200]
    round_, place = divmod(number, len(SUBJECTS))
    return SUBJECTS[place] + (f" {round_ + 1}" if round_ else "")


def name(number: int, chance: random.Random) -> tuple[str, str]:
    """The two names of a student. Most are plain."""
    word = STUDENTS[0] if chance.random() < 0.8 else chance.choice(STUDENTS)
    return word, f"{number:04}"
