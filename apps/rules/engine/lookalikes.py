"""Which characters look like which letters: data for `normal_forms`.

LOOKALIKES and LATIN are made from confusables.txt of Unicode 13.0 (UTS #39; © Unicode, Inc., Unicode License V3): all
letters whose skeleton is one ASCII letter and that NFKC leaves alone, except those of right-to-left scripts. The last
letters of some lines are our own additions. Some 380 of the 6,311 characters in the file are such letters; the others
(digits, punctuation, ideographs) disguise no word.
"""

# Letters of other scripts. They count only in words that mix scripts.
LOOKALIKES = {
    "A": "ΑАᎪᗅꓮ\U000102a0\U00016f40",
    "B": "ΒВᏴᗷꓐ\U00010282\U000102a1\U00010301",
    "C": "СᏟⲤꓚ\U000102a2\U00010302\U00010415\U0001051c",
    "D": "Ꭰᗞᗪꓓ",
    "E": "ΕЕᎬⴹꓰ\U00010286\U000118a6\U000118ae",
    "F": "Ϝᖴꓝ\U00010287\U000102a5\U00010525\U000118a2\U000118c2",
    "G": "ԌᏀᏳꓖ",
    "H": "ΗНᎻᕼⲎꓧ\U000102cf",
    "I": "ΙІӀⲒ",
    "J": "ͿЈᎫᒍꓙ",
    "K": "ΚКᏦᛕⲔꓗ\U00010518",
    "L": "ᏞᒪⳐꓡ\U0001041b\U00010526\U000118a3\U000118b2\U00016f16",
    "M": "ΜϺМᎷᗰᛖⲘꓟ\U000102b0\U00010311",
    "N": "ΝⲚꓠ\U00010513",
    "O": "ΟОՕଠዐⲞⵔꓳ\U00010292\U000102ab\U00010404\U000104c2\U00010516\U000118b5",
    "P": "ΡРᏢᑭⲢꓑ\U00010295",
    "Q": "ⵕ",
    "R": "ᎡᏒᖇꓣ\U000104b4\U00016f35",
    "S": "ЅՏᏕᏚꓢ\U00010296\U00010420\U00016f3a",
    "T": "ΤТᎢⲦꓔ\U00010297\U000102b1\U00010315\U000118bc\U00016f0a",
    "U": "Սሀᑌꓴ\U000104ce\U000118b8\U00016f42",
    "V": "ѴᏙᐯⴸꓦꛟ\U0001051d\U000118a0\U00016f08",
    "W": "ԜᎳᏔꓪ",
    "X": "ΧХᚷⲬⵝꓫ\U00010290\U000102b4\U00010317\U00010527",
    "Y": "ΥУҮᎩᎽⲨꓬ\U000102b2\U000118a4\U00016f43",
    "Z": "ΖᏃꓜ\U000118a9",
    "a": "αа",
    "b": "ЬᏏᑲᖯ",
    "c": "сⲥꮯ\U0001043d",
    "d": "ԁᏧᑯꓒ",
    "e": "еҽεє",
    "f": "ք",
    "g": "ց",
    "h": "һհᏂн",
    "i": "ιіӏᎥꙇꭵ\U000118c3",
    "j": "ϳј",
    "k": "кκ",
    "l": "ᛁⵏꓲ\U0001028a\U00010309\U00016f28",
    "m": "\U00011700м",
    "n": "ոռηп",
    "o": "οσоօഠဝჿⲟ\U0001042c\U000104ea\U000118c8\U000118d7",
    "p": "ρрⲣ",
    "q": "ԛգզ",
    "r": "гᴦⲅꮁ",
    "s": "ѕꮪ\U00010448\U000118c1",
    "t": "тτ",
    "u": "υս\U000104f6\U000118d8",
    "v": "νѵꮩ\U00011706\U000118c0",
    "w": "ѡԝաꮃ\U0001170a\U0001170e\U0001170fω",
    "x": "хᕁᕽ",
    "y": "γуүყ\U000118dc",
    "z": "ꮓ\U000118c4",
}

# Latin letters that have no decomposition. They count in any word.
LATIN = {
    "B": "Ꞵ",
    "D": "ÐĐƉ",
    "E": "Ɇ",
    "F": "ƑꞘ",
    "G": "Ǥ",
    "H": "ĦⱧ",
    "I": "Ɩ",
    "J": "ɈꞲ",
    "K": "ⱩꝀ",
    "L": "Ł",
    "N": "Ɲ",
    "O": "ØƟꝊ",
    "R": "Ʀ",
    "T": "ŦƮȾ",
    "U": "Ʉ",
    "X": "Ꭓ",
    "Y": "Ɏ",
    "Z": "ƵȤ",
    "a": "ɑ",
    "b": "ƀƂƃƄɓ",
    "c": "ȼ",
    "d": "đƌɖɗ",
    "e": "ɇꬲ",
    "f": "ƒᵮẝꞙꬵ",
    "g": "ƍǥɠɡᶃ",
    "h": "ħɦ",
    "i": "ıɨɩᵻᵼ",
    "j": "ɉ",
    "k": "ƙ",
    "l": "łƗƚǀɫɭ",
    "n": "ƞɳᵰ",
    "o": "øɵᴑꝋꬽꬾ",
    "p": "ƥᵽ",
    "q": "ʠ",
    "r": "ɍɼɽᵲꭇꭈ",
    "s": "ƽʂᵴ",
    "t": "ŧƭᵵ",
    "u": "ʋᵾꞟꭎꭒ",
    "w": "ꝡ",
    "y": "ƴɏɣᶌỿꭚ",
    "z": "ƶȥʐᵶ",
}

LIGATURES = {"ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ð": "d", "þ": "th", "Þ": "Th", "ŋ": "n"}

SMALL_CAPITALS = dict(zip("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘǫʀꜱᴛᴜᴠᴡʏᴢ", "abcdefghijklmnopqrstuvwyz", strict=True))

# Letters turned upside down. A text of them is read from right to left.
FLIPPED = dict(zip("ɐɔǝɟƃɥᴉıɾʞɯɹʇʌʍʎ", "acefghiijkmrtvwy", strict=True))
FLIPPED_ASCII = dict(zip("nupdbq", "undpqb", strict=True))

# Cyrillic letters for which a Latin one can stand.
CYRILLIC = dict(zip("aceikmopstxyABCEHIJKMOPSTXYhn", "асеікморѕтхуАВСЕНІЈКМОРЅТХУнп", strict=True))

PUNCTUATION = {
    **dict.fromkeys("‘’‚‛ʼ′´", "'"),
    **dict.fromkeys("“”„‟″", '"'),
    **dict.fromkeys("‐‑‒–—―−﹘", "-"),
    "⁄": "/",
    "∶": ":",
}
