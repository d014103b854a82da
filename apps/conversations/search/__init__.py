"""Finding conversations by their words, through an index of the database: FTS5 on SQLite, GIN on PostgreSQL.

What is found:

- A search is one or several words in any order; all of them must stand in what one call added to its conversation.
- A word is letters and digits. Case and accents do not count, nor do the points of Hebrew and Arabic letters. The
  beginning of a word is enough once it has three characters: `recur` finds *recursion*.
- What is written without a space stays together: `binary_search`, `os.path` and `fib(n)` find the same words in the
  same order, with whatever stands between them. Chinese and Japanese characters are words of their own.
- Of a text, the first 100,000 characters are searched, and of a word the first 64. Text that arrives in several parts,
  as of a very long answer, is searched part by part.
- The latest 1,000 calls that have the words count.
"""
