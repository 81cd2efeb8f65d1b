"""A gate in a package of its own: pairs about toys are not learned."""

from tuneloop.dataset.curation import Candidate, Gate, Refusal
from tuneloop.language import stored


class NoToys(Gate):
    """A pair that is not about Toyland; it breaks on one about Toywreck."""

    def check(self, candidate: Candidate) -> Candidate | Refusal:
        if "Toywreck" in candidate.pair.question:
            raise ZeroDivisionError("toys broke")
        return Refusal(stored("it is about toys")) if "Toyland" in candidate.pair.question else candidate
