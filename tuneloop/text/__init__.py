"""Text, before it means anything: scripts, languages, numerals, sentences, tokens, delimiters, encodings.

Each notion is here once. What differs from language to language is data, one file a language: ``languages/*.toml``.
"""
