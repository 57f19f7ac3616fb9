"""Makes untrusted text, such as file names and messages of servers, safe to print."""


def escape(text: str) -> str:
    """Returns text with everything that does not show as a mark of its own escaped.

    On a terminal a control character is a command.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
