"""Products that look alike to the head as it is: negatives worth learning from."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from photosearch.curation.neighbours import neighbours_of_others
from photosearch.embedding.embedder import Vectors


def hard_negatives(
    vectors: Vectors, products: Sequence[int], *, k: int
) -> dict[int, dict[int, float]]:
    """For each product the products of its photos' nearest other photos, by their share.

    Args:
        vectors: Unit vectors, (n_photos, dim).
        products: Product by photo, (n_photos,). Unlabelled cards of one product that lie in two
            groups are taken for two products: ask about them first, as the stage `pairs` does.
        k: Neighbours a photo, fewer than there are photos.

    Source: Xiong et al. 2020, "Approximate Nearest Neighbor Negative Contrastive Learning":
    negatives from an index of the model in training, made anew as it learns.
    """
    near, cosines = neighbours_of_others(vectors, [str(product) for product in products], k=k)
    counted: dict[int, Counter[int]] = defaultdict(Counter)
    for product, rows, of_rows in zip(products, near.tolist(), cosines.tolist(), strict=True):
        counted[product].update(
            products[row] for row, cosine in zip(rows, of_rows, strict=True) if cosine > -1
        )
    return {
        product: {other: n / others.total() for other, n in others.most_common()}
        for product, others in counted.items()
        if others
    }


def joined(
    labelled: Mapping[int, Mapping[int, float]], found: Mapping[int, Mapping[int, float]]
) -> dict[int, dict[int, float]]:
    """Look-alikes of both kinds; a product that people called different weighs one answer more."""
    both = {product: dict(others) for product, others in found.items()}
    for product, others in labelled.items():
        of_product = both.setdefault(product, {})
        for other, sure in others.items():
            of_product[other] = of_product.get(other, 0.0) + sure
    return both
