"""Compiles ``tokenizer.json`` to a TensorFlow graph.

The file alone determines the graph, section by section; the class of the tokenizer does not matter.
Each component is either exactly the component of the ``tokenizers`` library, or refused by name.
The library is needed to compile a tokenizer, and never to run it.
"""

from diglot.errors import TokenizationError, TokenizerNotSupportedError
from diglot.tokenization.compiler import compile_tokenizer
from diglot.tokenization.graph_tokenizer import Encoding, GraphTokenizer

__all__ = [
    "Encoding",
    "GraphTokenizer",
    "TokenizationError",
    "TokenizerNotSupportedError",
    "compile_tokenizer",
]
