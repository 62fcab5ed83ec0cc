"""Whether prompt templates help a model, and what its cosines are worth as probabilities.

python -m bench.templates DATA [--model starter]

DATA is a labelled folder, as for `noongil eval`. Without and with templates, in each language:

search    mean average precision of the queries
classify  share of the pictures that are relevant to one query alone, whose text is the nearest of
          all queries' texts

Reported are both, their paired difference and its 95 % interval: bootstrapped over queries and
over pictures. A model's card may name a language in which the lower bound is above zero.

The second table has the logit scale under which the right label's probability is highest on the
same pictures (least negative log likelihood, in nats), beside the model's own.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from indexer.evaluate import LANGUAGES, Language, QuerySet, read_query_sets, score
from indexer.pictures.decode import DecodeLimits, decode
from models.config import EncoderOptions
from models.encoding import encode_images, encode_texts
from models.registry import load_encoder
from models.templates import with_templates
from models.types import Embeddings, Encoder

_BATCH = 32
_RESAMPLED = 10_000
_SCALES = np.geomspace(1, 200, 200)

Numbers = NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="starter")
    arguments = parser.parse_args()
    plain = load_encoder(arguments.model, EncoderOptions(prompt_templates="off"))
    bench = Bench(plain, with_templates(plain, "on"))
    for query_set in read_query_sets(arguments.data):
        bench.run(query_set)
    bench.report()


class Bench:
    def __init__(self, plain: Encoder, templated: Encoder) -> None:
        self._plain, self._templated = plain, templated
        title = f"{plain.spec.id}: templates"
        columns = ("set", "texts", "task", "n", "without", "with", "difference", "95 %")
        self._differences = Table(*columns, title=title)
        columns = ("set", "texts", "best scale", "its loss", "own scale", "its loss", "even odds")
        self._scales = Table(*columns, title=f"{plain.spec.id}: logit scale")

    def run(self, query_set: QuerySet) -> None:
        pictures = encoded(self._plain, query_set)
        for language in LANGUAGES:
            texts = [query.texts[language] for query in query_set.queries]
            plain, templated = (
                Task.of(query_set, encode_texts(encoder, texts), pictures)
                for encoder in (self._plain, self._templated)
            )
            where = query_set.name, language
            self._compare(where, "search", plain.precisions(), templated.precisions())
            self._compare(where, "classify", plain.is_right(), templated.is_right())
            self._scale(where, plain)

    def report(self) -> None:
        for table in (self._differences, self._scales):
            Console(width=100).print(table)

    def _compare(
        self, where: tuple[str, Language], task: str, before: Numbers, after: Numbers
    ) -> None:
        difference = after - before
        low, high = interval(difference)
        cells = (before.mean(), after.mean())
        self._differences.add_row(
            *where,
            task,
            str(len(before)),
            *(f"{cell:.4f}" for cell in cells),
            f"{difference.mean():+.4f}",
            f"{low:+.4f} … {high:+.4f}",
        )

    def _scale(self, where: tuple[str, Language], task: "Task") -> None:
        own = self._plain.spec.logit_scale
        losses = [task.loss(scale) for scale in _SCALES]
        best = int(np.argmin(losses))
        numbers = (_SCALES[best], losses[best], own, task.loss(own), task.loss(0))
        self._scales.add_row(*where, *(f"{number:.2f}" for number in numbers))


@dataclass(frozen=True)
class Task:
    """Of one set in one language."""

    cosines: Embeddings
    """Shape (queries, pictures)."""
    relevant: NDArray[np.bool_]
    """Of the same shape."""

    @classmethod
    def of(cls, query_set: QuerySet, texts: Embeddings, pictures: Embeddings) -> "Task":
        queries, paths = query_set.queries, query_set.pictures
        relevant = np.array([[path in query.relevant for path in paths] for query in queries])
        return cls(texts @ pictures.T, relevant)

    def precisions(self) -> Numbers:
        """Average precision of each query."""
        return np.array(
            [
                score(self.cosines[n : n + 1], self.relevant[n : n + 1]).mean_average_precision
                for n in range(len(self.cosines))
            ]
        )

    def is_right(self) -> Numbers:
        """1 for each picture whose nearest text is its label, else 0."""
        cosines, labels = self._labelled()
        return np.asarray(cosines.argmax(axis=0) == labels, np.float64)

    def loss(self, scale: float) -> float:
        """Mean negative logarithm of the probability that the right label is given."""
        cosines, labels = self._labelled()
        logits = scale * cosines.astype(np.float64)
        logits -= logits.max(axis=0)
        likelihoods = logits - np.log(np.exp(logits).sum(axis=0))
        return float(-likelihoods[labels, np.arange(len(labels))].mean())

    def _labelled(self) -> tuple[Embeddings, NDArray[np.intp]]:
        """The pictures that are relevant to one query alone, and its number."""
        single = self.relevant.sum(axis=0) == 1
        return self.cosines[:, single], self.relevant[:, single].argmax(axis=0)


def encoded(encoder: Encoder, query_set: QuerySet) -> Embeddings:
    paths = [query_set.folder / path for path in query_set.pictures]
    return np.concatenate(
        [
            encode_images(
                encoder, [decode(path.read_bytes(), limits=DecodeLimits()).image for path in batch]
            )
            for batch in batches(paths)
        ]
    )


def batches(paths: Sequence[Path]) -> Iterator[Sequence[Path]]:
    return (paths[at : at + _BATCH] for at in range(0, len(paths), _BATCH))


def interval(differences: Numbers) -> tuple[float, float]:
    """The 95 % interval of the mean, bootstrapped."""
    random = np.random.default_rng(0)
    drawn = random.integers(0, len(differences), (_RESAMPLED, len(differences)))
    low, high = np.percentile(differences[drawn].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


if __name__ == "__main__":
    main()
