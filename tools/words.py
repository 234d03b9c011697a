#!/usr/bin/env python3
"""Makes crates/directory/src/password/words.txt, by which chosen passwords are cut into words.

    tools/words.py DICDIR FREQUENCY_LISTS > crates/directory/src/password/words.txt

DICDIR is the dictionary of UniDic in the Python package unidic-lite 1.0.8 (BSD licence, The UniDic Consortium): its
readings are written in romaji as `fold` in crates/directory/src/password/words.rs has it. FREQUENCY_LISTS is the file
src/frequency_lists.rs of the crate zxcvbn 3.1.1 (MIT licence): the most frequent English words and names. What comes of
it is words alone, sorted; what is made of shorter ones is left out, since passwords are cut into the shortest."""

import re
import struct
import sys
from pathlib import Path

# So many English words and names of each list.
ENGLISH = {"ENGLISH_WIKI": 8000, "US_TV_AND_FILM": 8000, "SURNAMES": 2000, "FEMALE_NAMES": 1500, "MALE_NAMES": 1000}
# Letters of a word at least, as it is folded.
LEAST_READING = 3
LEAST_ENGLISH = 4
KINDS = {"名詞", "動詞", "形容詞", "形状詞", "副詞", "感動詞", "代名詞", "接続詞", "連体詞", "接尾辞", "接頭辞"}
COLUMN_KIND, COLUMN_KANA = 0, 17

SYLLABLES = dict(
    entry.split("=")
    for entry in (
        "ア=a イ=i ウ=u エ=e オ=o カ=ka キ=ki ク=ku ケ=ke コ=ko ガ=ga ギ=gi グ=gu ゲ=ge ゴ=go サ=sa シ=si ス=su セ=se ソ=so "
        "ザ=za ジ=zi ズ=zu ゼ=ze ゾ=zo タ=ta チ=ti ツ=tu テ=te ト=to ダ=da ヂ=zi ヅ=zu デ=de ド=do ナ=na ニ=ni ヌ=nu ネ=ne ノ=no "
        "ハ=ha ヒ=hi フ=hu ヘ=he ホ=ho バ=ba ビ=bi ブ=bu ベ=be ボ=bo パ=pa ピ=pi プ=pu ペ=pe ポ=po マ=ma ミ=mi ム=mu メ=me モ=mo "
        "ヤ=ya ユ=yu ヨ=yo ラ=ra リ=ri ル=ru レ=re ロ=ro ワ=wa ヲ=o ン=n ヴ=vu ー= ヰ=i ヱ=e"
    ).split()
)
SMALL = {"ャ": "ya", "ュ": "yu", "ョ": "yo", "ァ": "a", "ィ": "i", "ゥ": "u", "ェ": "e", "ォ": "o"}


def romaji(kana):
    """Kana in romaji, folded; None if there is anything else in it."""
    out, doubled = "", False
    for c in kana:
        if c == "ッ":
            doubled = True
            continue
        if c in SMALL:
            vowel = SMALL[c]
            soft = "y" if out.endswith(("si", "ti", "zi")) and vowel[0] != "y" else ""
            out = out[:-1] + soft + vowel
        elif c in SYLLABLES:
            syllable = SYLLABLES[c]
            out += (syllable[:1] if doubled else "") + syllable
        else:
            return None
        doubled = False
    return fold(out)


# In this order, one after the other over the whole text; the same as in fold.rs.
FOLDS = [
    ("sh", "sy"), ("tch", "tty"), ("cch", "tty"), ("ch", "ty"), ("cy", "ty"), ("jy", "zy"), ("j", "zy"),
    ("syi", "si"), ("tyi", "ti"), ("zyi", "zi"), ("ts", "t"), ("dz", "z"), ("f", "h"), ("wo", "o"),
    ("mb", "nb"), ("mp", "np"), ("mm", "nm"), ("ou", "o"), ("aa", "a"), ("ii", "i"), ("uu", "u"), ("ee", "e"), ("oo", "o"),
]  # fmt: skip


def fold(text):
    """Until there is nothing left to fold."""
    while any(many in text for many, _ in FOLDS):
        for many, one in FOLDS:
            text = text.replace(many, one)
    return text


def features(dictionary):
    """What a dictionary of MeCab says of each of its words; the words themselves are not needed."""
    data = dictionary.read_bytes()
    # magic, version, type, entries, left, right, and octets of trie, tokens, features; then the charset.
    head = struct.unpack_from("<10I", data)
    begin = 40 + 32 + head[6]
    text = begin + head[7]
    for at in range(begin, text, 16):
        (feature,) = struct.unpack_from("<I", data, at + 8)
        end = data.index(b"\0", text + feature)
        yield data[text + feature : end].decode("utf-8", "replace").split(",")


def readings(directory):
    found = set()
    for feature in features(Path(directory, "sys.dic")):
        if len(feature) > COLUMN_KANA and feature[COLUMN_KIND] in KINDS:
            word = romaji(feature[COLUMN_KANA])
            if word and len(word) >= LEAST_READING:
                found.add(word)
    return found


def english(file):
    text = Path(file).read_text(encoding="utf-8")
    for name, most in ENGLISH.items():
        words = re.search(rf'const {name}: &str = "([^"]*)"', text)[1].split(",")[:most]
        yield from (fold(word) for word in words if len(word) >= LEAST_ENGLISH and re.fullmatch("[a-z]+", word))


def is_made_of(word, known):
    """Whether the word is nothing but shorter ones that are known."""
    reached = {0}
    for begin in range(len(word)):
        if begin in reached:
            reached.update(end for end in range(begin + LEAST_READING, len(word) + 1) if word[begin:end] in known)
    return len(word) in reached


def main():
    _, directory, lists = sys.argv
    kept = set()
    for word in sorted(readings(directory) | set(english(lists)), key=lambda word: (len(word), word)):
        if len(word) >= LEAST_READING and not is_made_of(word, kept):
            kept.add(word)
    print("\n".join(sorted(kept)))


if __name__ == "__main__":
    main()
