"""The appearance of names: what cannot be read in them, and the key that look-alike names have in common."""

import re
import unicodedata

MOST_STACKED = 8
"""Maximum number of combining marks in a row. Languages that write several, such as Hebrew, write up to four."""

_ignorable = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Unicode's Default_Ignorable_Code_Point, which includes the bidi controls, and the interlinear annotations."""

_variation = re.compile("[\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_joiners = ("\u200c", "\u200d")
_skin_tones = ("\U0001f3fb", "\U0001f3fc", "\U0001f3fd", "\U0001f3fe", "\U0001f3ff")
_flag = re.compile("\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f")
"""The flag of a part of a country, such as Scotland: a black flag with invisible letters (UTS #51, ED-14a)."""


def illegible(text: str) -> str | None:
    """Returns what is wrong with a new name that contains too many marks on one character, or an invisible character
    without any effect on visible ones.

    Returns None for a text without such a character. Joiners have an effect between letters of Persian or Hindi (RFC
    5892, appendix A) and between emoji. Variation selectors have an effect on the character before them.
    """
    if unstacked(text) != text:
        return f"must not contain more than {MOST_STACKED} combining marks in a row"
    text = _flag.sub("\U0001f3f4", text)
    for found in _ignorable.finditer(text):
        if not _has_effect(text, found.start()):
            return f"must not contain the invisible character U+{ord(found[0]):04X}"
    return None


def unstacked(text: str) -> str:
    """Returns the text with at most MOST_STACKED combining marks in a row. More would cover the lines around it."""
    if text.isascii():
        return text
    shown, stacked = [], 0
    for character in text:
        stacked = stacked + 1 if unicodedata.category(character) in ("Mn", "Me") else 0
        if stacked <= MOST_STACKED:
            shown.append(character)
    return "".join(shown)


def _has_effect(text: str, place: int) -> bool:
    before, after = text[place - 1 : place], text[place + 1 : place + 2]
    if text[place] in _joiners:
        if text[place] == "\u200d" and _ends_emoji(before) and after and unicodedata.category(after) in ("So", "Sm"):
            return True
        from idna.core import valid_contextj  # noqa: PLC0415 - half a MB, and most names contain no joiners

        try:
            return valid_contextj(text, place)
        except ValueError:  # next to an unassigned code point
            return False
    if not _variation.fullmatch(text[place]) or not before or _ignorable.fullmatch(before):
        return False
    # Of the cased letters, only one has variants: ℹ, as text and as an emoji (StandardizedVariants.txt).
    return before == "\u2139" or unicodedata.category(before) not in ("Lu", "Ll", "Lt", "Zs", "Cc", "Cn", "Co")


def _ends_emoji(character: str) -> bool:
    return bool(character) and (
        unicodedata.category(character) == "So" or character == "\ufe0f" or character in _skin_tones
    )


def look_alike_key(name: str) -> str:
    """Returns the key that look-alike names have in common: the skeleton (Unicode UTS #39) of the casefolded text.

    It serves only for comparison. Names with an empty key are not compared.
    """
    from disarm import skeleton_key  # noqa: PLC0415 - only new names need it, and it slows the start

    # The library omits the one pair in the standard that is two letters wide.
    return skeleton_key(name, digit_policy="tr39").replace("m", "rn")
