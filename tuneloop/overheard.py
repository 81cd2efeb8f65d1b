"""Texts of the system and of libraries that Tuneloop repeats: listed so that the catalogue has them in Chinese."""


def stored(text: str) -> str:
    """``text`` itself, marked for the catalogue."""
    return text


SYSTEM = (
    stored("No such file or directory"), stored("Permission denied"), stored("Operation not permitted"),
    stored("Is a directory"), stored("Not a directory"), stored("No space left on device"),
    stored("Disk quota exceeded"), stored("Read-only file system"), stored("Too many open files"),
    stored("Too many open files in system"), stored("File name too long"),
    stored("Too many levels of symbolic links"), stored("Input/output error"), stored("File exists"),
    stored("File too large"), stored("Device or resource busy"), stored("Directory not empty"),
    stored("Invalid argument"), stored("Address already in use"), stored("Cannot assign requested address"),
    stored("Connection refused"), stored("Connection reset by peer"), stored("Software caused connection abort"),
    stored("Connection timed out"), stored("No route to host"), stored("Network is unreachable"),
    stored("Broken pipe"), stored("Cannot allocate memory"),
)  # fmt: skip

DATABASE = (
    stored("database is locked"), stored("unable to open database file"), stored("disk I/O error"),
    stored("attempt to write a readonly database"), stored("file is not a database"),
    stored("database disk image is malformed"),
)  # fmt: skip

JSON = (
    stored("Expecting value"), stored("Expecting property name enclosed in double quotes"),
    stored("Expecting ':' delimiter"), stored("Expecting ',' delimiter"), stored("Extra data"),
    stored("Invalid control character at"), stored("Invalid \\escape"), stored("Invalid \\uXXXX escape"),
    stored("Unterminated string starting at"), stored("Illegal trailing comma before end of object"),
    stored("Illegal trailing comma before end of array"),
)  # fmt: skip

TOML = (
    stored("Expected '=' after a key in a key/value pair"), stored("Expected ']' at the end of a table declaration"),
    stored("Expected ']]' at the end of an array declaration"), stored("Invalid date or datetime"),
    stored("Invalid hex value"), stored("Invalid initial character for a key part"), stored("Invalid statement"),
    stored("Invalid value"), stored("Unterminated string"), stored("Unclosed array"), stored("Unclosed inline table"),
    stored("Unescaped '\\' in a string"), stored("Cannot overwrite a value"),
    stored("Expected newline or end of document after a statement"),
)  # fmt: skip

OVERHEARD = frozenset((*SYSTEM, *DATABASE, *JSON, *TOML))
