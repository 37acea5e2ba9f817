"""Words that praise or advertise and say nothing of a thing."""

from functools import cache

from photosearch.tagging.words import WORD, stem

EMOTION = {
    "en": (
        "adorable amazing amazed awesome beautiful best brilliant charming cheerful cute "
        "delightful excellent exciting fabulous fantastic favourite favorite fun funny gorgeous "
        "great happy incredible joy joyful love lovely loved magnificent marvellous nice "
        "outstanding perfect pleasant superb super sweetest terrible awful ugly unbelievable "
        "unforgettable wonderful wow"
    ),
    "ru": (
        "безупречный великолепный восхитительный восторг воздушность волшебный забавный "
        "замечательный идеальный изумительный классный крутой лучший любимый милый милашка "
        "невероятный незабываемый обалденный отличный очаровательный позитивный потрясающий "
        "превосходный прекрасный прелестный приятный радость роскошный симпатичный супер "
        "счастье ужасный уютный хороший чудесный шикарный эмоция красивый"
    ),
}
ADVERTISING = {
    "en": (
        "bargain bestseller bestselling bonus brand-new buy buying buyer cashback cheap "
        "cheapest click clearance coupon customer deal delivery discount discounts discounted "
        "exclusive fast-shipping gift gifts gift-idea guarantee guaranteed hit hurry limited "
        "lowest must-have new newest novelty offer original outlet popular premium present "
        "presents price prices profitable promo promotion quality recommended reliable "
        "reseller sale seller sent shipped shipping shop stock trend trending trendy warranty "
        "wholesale"
    ),
    "ru": (
        "акция актуальный бесплатный бесплатно бестселлер бонус бренд быстро быстрый выгодный "
        "выгодно гарантия гарантировать дешевый дешево доставка заказ закажи заказать "
        "качественный качество клиент купить купи кэшбэк лидер лимитированный магазин модный "
        "наличие новинка новый опт оптом оригинал оригинальный отправка подарок подарка покупатель "
        "покупка популярный предложение премиум продавец продажа промокод распродажа "
        "рекомендовать скидка спешить супермодный тренд трендовый успей хит хиты цена "
        "эксклюзив эксклюзивный"
    ),
}


def why_left_out(text: str, language: str) -> str | None:
    """`emotion` or `advertising` if a word of the text is of that kind."""
    words = WORD.findall(text)
    forms = {stem(word, language) for word in words} if language == "ru" else set(words)
    if forms & _forms("advertising", language):
        return "advertising"
    return "emotion" if forms & _forms("emotion", language) else None


@cache
def _forms(kind: str, language: str) -> frozenset[str]:
    """Stems of Russian words; English ones as they are, for `shipping` is not `ship`."""
    words = {"emotion": EMOTION, "advertising": ADVERTISING}[kind][language].split()
    return frozenset(stem(word, language) if language == "ru" else word for word in words)
