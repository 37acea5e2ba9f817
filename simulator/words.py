"""What sellers and buyers write, in English and in Russian; knows no pictures."""

from dataclasses import dataclass

import numpy as np

PATTERN_WORDS = {
    "plain": ("", ""),
    "stripes": ("with {0} stripes", "в {acc_f} полоску"),
    "columns": ("with {0} vertical stripes", "в {acc_f} вертикальную полоску"),
    "dots": ("with {0} dots", "в {acc_m} горошек"),
    "checks": ("with {0} checks", "в {acc_f} клетку"),
    "zigzag": ("with a {0} zigzag", "с {ins} зигзагом"),
    "waves": ("with {0} waves", "с {ins_pl} волнами"),
    "diamonds": ("with {0} diamonds", "с {ins_pl} ромбами"),
}
"""Pattern -> words that follow the noun; `{0}` is the second colour."""


@dataclass(frozen=True, slots=True)
class Noun:
    en: str
    ru: str
    gender: str
    """`m`, `f` or `pl`: what a Russian adjective agrees with."""
    category: tuple[str, str]
    price_rub: int
    """A usual price."""


NOUNS = {
    "mug": Noun("mug", "кружка", "f", ("Home", "Mugs"), 450),
    "teapot": Noun("teapot", "чайник", "m", ("Home", "Teapots"), 1900),
    "bottle": Noun("bottle", "бутылка", "f", ("Sport", "Bottles"), 900),
    "vase": Noun("vase", "ваза", "f", ("Home", "Vases"), 1500),
    "lamp": Noun("lamp", "лампа", "f", ("Home", "Lamps"), 2600),
    "chair": Noun("chair", "стул", "m", ("Furniture", "Chairs"), 4900),
    "cushion": Noun("cushion", "подушка", "f", ("Home", "Cushions"), 800),
    "book": Noun("notebook", "тетрадь", "f", ("Stationery", "Notebooks"), 350),
    "tshirt": Noun("T-shirt", "футболка", "f", ("Clothes", "T-shirts"), 1200),
    "sneaker": Noun("sneakers", "кроссовки", "pl", ("Shoes", "Sneakers"), 5200),
    "backpack": Noun("backpack", "рюкзак", "m", ("Bags", "Backpacks"), 3400),
    "cap": Noun("cap", "кепка", "f", ("Clothes", "Caps"), 950),
    "watch": Noun("watch", "часы", "pl", ("Accessories", "Watches"), 6100),
    "ball": Noun("ball", "мяч", "m", ("Sport", "Balls"), 1300),
    "umbrella": Noun("umbrella", "зонт", "m", ("Accessories", "Umbrellas"), 1700),
    "headphones": Noun("headphones", "наушники", "pl", ("Electronics", "Headphones"), 3900),
}

RUSSIAN_COLOURS = {
    "red": "красный",
    "orange": "оранжевый",
    "yellow": "жёлтый",
    "green": "зелёный",
    "light blue": "голубой",
    "blue": "синий",
    "purple": "фиолетовый",
    "pink": "розовый",
    "brown": "коричневый",
    "black": "чёрный",
    "white": "белый",
    "grey": "серый",
}

BRANDS = (
    ("Orion", "Орион"), ("Vega", "Вега"), ("Altair", "Альтаир"), ("Lumen", "Люмен"),
    ("Terra", "Терра"), ("Kvarta", "Кварта"), ("Sirin", "Сирин"), ("Borey", "Борей"),
    ("Zarya", "Заря"), ("Komet", "Комет"), ("Delfi", "Дельфи"), ("Rubin", "Рубин"),
    ("Tundra", "Тундра"), ("Briz", "Бриз"), ("Granit", "Гранит"), ("Amber", "Амбер"),
    ("Polyus", "Полюс"), ("Vector", "Вектор"), ("Raduga", "Радуга"), ("Iskra", "Искра"),
    ("Monolit", "Монолит"), ("Nordik", "Нордик"), ("Sfera", "Сфера"), ("Prizma", "Призма"),
    ("Kedr", "Кедр"), ("Titan", "Титан"), ("Volna", "Волна"), ("Atlas", "Атлас"),
    ("Fenix", "Феникс"), ("Onyx", "Оникс"), ("Strela", "Стрела"), ("Mira", "Мира"),
)  # fmt: skip
"""Names in Latin and Cyrillic letters."""

SHOP_OPENINGS = (
    "A {title}. New, in the maker's box.",
    "Made to last: {title}. Sent within a day.",
    "{title}: for yourself or as a present. Two years of warranty.",
)

PRAISE = {
    "en": (
        "Lovely {noun}, exactly as in the picture.",
        "The {noun} is great, the colour is truly {colour}.",
        "Bought it as a present, everyone likes this {noun}.",
        "Good quality for the price. {brand} as always.",
        "Came quickly and well packed, very happy.",
    ),
    "ru": (
        "Товар отличный, {noun} в точности как на фото.",
        "Беру {brand} не первый раз, качество хорошее.",
        "Цвет {colour}, как и обещали. Очень довольны!",
        "Пришло быстро, упаковано хорошо, спасибо продавцу.",
        "Брали в подарок, всем понравилось.",
    ),
}
COMPLAINTS = {
    "en": (
        "The {noun} is fine, but smaller than I thought.",
        "There was a scratch on the side, otherwise all right.",
        "Delivery took two weeks. The {noun} itself is as described.",
        "The parcel came torn, the seller does not answer.",
    ),
    "ru": (
        "Ожидали большего, на вид {noun} хуже, чем на фото.",
        "Есть царапина, но пользоваться можно.",
        "Доставка две недели, сам товар нормальный.",
        "Коробка пришла мятая, продавец не отвечает.",
    ),
}


def title_en(kind: str, colours: tuple[str, str], pattern: str, *, is_resale: bool) -> str:
    """`Red mug with white stripes`; the other seller writes `Mug, red, with white stripes`."""
    main, second = colours
    tail = PATTERN_WORDS[pattern][0].format(second)
    noun = NOUNS[kind].en
    if is_resale:
        return ", ".join(filter(None, (noun[0].upper() + noun[1:], main, tail)))
    return " ".join(filter(None, (main.capitalize(), noun, tail)))


def title_ru(kind: str, colours: tuple[str, str], pattern: str, *, is_resale: bool) -> str:
    """`Кружка красная в белую полоску`; the other seller puts the adjective first."""
    main, second = colours
    noun = NOUNS[kind]
    tail = PATTERN_WORDS[pattern][1].format(**_cases(second))
    words = [noun.ru, _cases(main)[noun.gender]]
    if is_resale:
        words.reverse()
    text = " ".join(filter(None, (*words, tail)))
    return text[0].upper() + text[1:]


def review_text(dice: np.random.Generator, kind: str, colour: str, brand: int) -> tuple[str, int]:
    """What a buyer says, and the stars from 1 to 5 that go with it."""
    language = "ru" if dice.random() < 0.6 else "en"
    is_happy = dice.random() < 0.75
    choices = (PRAISE if is_happy else COMPLAINTS)[language]
    template = choices[dice.integers(len(choices))]
    rating = int(dice.integers(4, 6) if is_happy else dice.integers(1, 4))
    noun = NOUNS[kind]
    if language == "en":
        words = {"noun": noun.en, "colour": colour, "brand": BRANDS[brand][0]}
    else:
        words = {"noun": noun.ru, "colour": RUSSIAN_COLOURS[colour], "brand": BRANDS[brand][1]}
    return template.format(**words), rating


def _cases(colour: str) -> dict[str, str]:
    """Forms of a Russian colour adjective: nominative by gender, accusative, instrumental."""
    adjective = RUSSIAN_COLOURS[colour]
    stem, is_soft = adjective[:-2], adjective == "синий"
    return {
        "m": adjective,
        "f": stem + ("яя" if is_soft else "ая"),
        "pl": stem + ("ие" if is_soft else "ые"),
        "acc_f": stem + ("юю" if is_soft else "ую"),
        "acc_m": adjective,
        "ins": stem + ("им" if is_soft else "ым"),
        "ins_pl": stem + ("ими" if is_soft else "ыми"),
    }
