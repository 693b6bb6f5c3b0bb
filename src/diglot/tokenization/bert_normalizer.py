"""BERT's normalizer: control characters, Chinese characters, accents and capitals."""

from __future__ import annotations

from tokenizers import normalizers as library

from diglot.tokenization import characters
from diglot.tokenization.components import Normalizer, Spec
from diglot.tokenization.normalizers import Mapped, NormalizerSequence
from diglot.tokenization.unicode_forms import Decomposed


def build_bert(spec: Spec) -> Normalizer:
    """Build ``BertNormalizer``."""
    clean, chinese = spec["clean_text"], spec["handle_chinese_chars"]
    lowercase, strip = spec["lowercase"], spec["strip_accents"]
    strip = lowercase if strip is None else strip
    if not strip:
        return Mapped(characters.ask(library.BertNormalizer(clean, chinese, False, lowercase)))
    # Accents are stripped after the decomposition, which also sorts the marks of each letter. Both
    # steps are needed: some marks that are kept are sorted as well, and some marks that are dropped
    # separate others.
    first = library.Sequence([library.BertNormalizer(clean, chinese, False, False), library.NFD()])
    second = library.BertNormalizer(False, False, True, lowercase)
    decomposed = characters.ask(first)
    remaining = {
        code_point: replacement
        for code_point, replacement in characters.ask(second).items()
        if code_point not in decomposed
    }
    return NormalizerSequence([Decomposed(decomposed), Mapped(remaining)])
