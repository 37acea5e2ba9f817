"""What found cards can be narrowed by."""

from found_cards import found

from photosearch.search.filtering import VALUES_MOST, facets_of


def test_facets_are_the_most_frequent_first_and_no_more_than_a_shopper_reads():
    cards = [
        found(
            f"c{n}", 0.5, category=("Home", kind), brand=f"b{n % 40:02}", price=float(n), rating=r
        )
        for n, (kind, r) in enumerate([("Mugs", 0.0), ("Mugs", 4.5), ("Bags", None)] * 14)
    ]
    facets = facets_of(cards)
    told = [(value.value, value.n_cards) for value in facets.categories]
    assert told == [(["Home"], 42), (["Home", "Mugs"], 28), (["Home", "Bags"], 14)]
    assert [(value.value, value.n_cards) for value in facets.brands[:3]] == [
        (["b00"], 2), (["b01"], 2), (["b02"], 1),
    ]  # fmt: skip
    assert len(facets.brands) == VALUES_MOST
    assert (facets.price_min, facets.price_max, facets.rating_max) == (0.0, 41.0, 4.5)
