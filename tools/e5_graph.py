"""Write the graph that the bundled e5 encoder runs, without its weights: `python tools/e5_graph.py`.

It needs ``pip install onnx==1.23.2``, which nothing else here does. The graph is BERT's, 12 layers of 384 numbers, for
one text: ``embedded`` (1, tokens, 384) are the token and position vectors, ``pooled`` (1, 384) the mean of the last
layer. Matrices are 8-bit, a scale by output; what enters them is quantised at run time. The weights have names only:
`ml_service.runtime.bundled.e5` gives them to ONNX Runtime.
"""

from __future__ import annotations

from typing import Any

from onnx import TensorProto, helper

from ml_service.runtime.bundled.e5 import GRAPH_FILE
from ml_service.runtime.bundled.e5_weights import DIMENSIONS, INNER, LAYERS

HEADS = 12
EPSILON = 1e-12
OPSET = 17
IR_VERSION = 9
MICROSOFT = "com.microsoft"  # ONNX Runtime's own operators


class Graph:
    """Nodes, and the weights that they name."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def node(self, operator: str, inputs: list[str], outputs: list[str], domain: str = "", **attributes: Any) -> None:
        """Add a node that is named by its first output."""
        name = f"{operator}.{outputs[0]}"
        self.nodes.append(helper.make_node(operator, inputs, outputs, name=name, domain=domain, **attributes))

    def weight(self, name: str, shape: list[int], kind: int = TensorProto.FLOAT) -> str:
        """Add a tensor that is given at run time."""
        tensor = TensorProto(name=name, data_type=kind, dims=shape, data_location=TensorProto.EXTERNAL)
        tensor.external_data.add(key="location", value="given-at-run-time")
        self.weights.append(tensor)
        return name

    def matrix(self, name: str, inputs: int, outputs: int) -> list[str]:
        """Add an 8-bit matrix and its scales."""
        return [self.weight(f"{name}.w", [inputs, outputs], TensorProto.INT8), self.weight(f"{name}.s", [outputs])]

    def product(self, vectors: str, name: str, inputs: int, outputs: int) -> str:
        """Multiply by an 8-bit matrix."""
        result = f"{name}.y"
        self.node("DynamicQuantizeMatMul", [vectors, *self.matrix(name, inputs, outputs)], [result], MICROSOFT)
        return result

    def normalised_sum(self, vectors: str, added: str, bias: str, norm: str, result: str) -> None:
        """Add vectors and a bias, and normalise."""
        bias = self.weight(bias, [DIMENSIONS])
        norms = [self.weight(f"{norm}.{part}", [DIMENSIONS]) for part in "wb"]
        self.node(
            "SkipLayerNormalization", [vectors, added, *norms, bias], [result], MICROSOFT, epsilon=EPSILON
        )  # fmt: skip

    def layer(self, number: int) -> None:
        """Add attention and the feed-forward network of one layer: x<number> becomes x<number + 1>."""
        name, vectors = f"l{number}", f"x{number}"
        quantised = [f"{name}.x{part}" for part in ("q", "s", "z")]  # numbers, scale, zero
        self.node("DynamicQuantizeLinear", [vectors], quantised)
        matrix, scales = self.matrix(f"{name}.qkv", DIMENSIONS, 3 * DIMENSIONS)
        bias = self.weight(f"{name}.qkv.b", [3 * DIMENSIONS])
        inputs = [quantised[0], matrix, bias, quantised[1], scales, "", quantised[2], "zero"]
        self.node("QAttention", inputs, [f"{name}.context"], MICROSOFT, num_heads=HEADS)
        attended = self.product(f"{name}.context", f"{name}.ao", DIMENSIONS, DIMENSIONS)
        self.normalised_sum(vectors, attended, f"{name}.ao.b", f"{name}.aln", f"{name}.middle")
        inner = self.product(f"{name}.middle", f"{name}.fi", DIMENSIONS, INNER)
        self.node("BiasGelu", [inner, self.weight(f"{name}.fi.b", [INNER])], [f"{name}.gelu"], MICROSOFT)
        outer = self.product(f"{name}.gelu", f"{name}.fo", INNER, DIMENSIONS)
        self.normalised_sum(f"{name}.middle", outer, f"{name}.fo.b", f"{name}.oln", f"x{number + 1}")


def main() -> None:
    """Build the graph and write it."""
    graph = Graph()
    norms = [graph.weight(f"emb.ln.{part}", [DIMENSIONS]) for part in "wb"]
    graph.node("LayerNormalization", ["embedded", *norms], ["x0"], axis=-1, epsilon=EPSILON)
    for number in range(LAYERS):
        graph.layer(number)
    graph.node("ReduceMean", [f"x{LAYERS}"], ["pooled"], axes=[1], keepdims=0)
    weights = [*graph.weights, helper.make_tensor("zero", TensorProto.INT8, [], [0])]
    given = helper.make_tensor_value_info("embedded", TensorProto.FLOAT, [1, "tokens", DIMENSIONS])
    made = helper.make_tensor_value_info("pooled", TensorProto.FLOAT, [1, DIMENSIONS])
    model = helper.make_model(
        helper.make_graph(graph.nodes, "multilingual-e5-small", [given], [made], weights),
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)],
        producer_name="ml-service",
    )
    model.ir_version = IR_VERSION
    GRAPH_FILE.write_bytes(model.SerializeToString(deterministic=True))


if __name__ == "__main__":
    main()
