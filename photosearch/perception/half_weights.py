"""Keeps the weights of an ONNX graph in half precision, so that its file is half as large."""

import numpy as np

HALVED_FROM = 256
"""Numbers of an array; smaller ones weigh nothing and may need every bit."""


def with_half_weights(content: bytes) -> bytes:
    """The same graph with large arrays in float16, cast to float32 when it is loaded.

    What the exporter noted about the source code and its folders is left out.

    Args:
        content: Of an ONNX file with its weights inside.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load_from_string(content)
    casts = []
    for weights in model.graph.initializer:
        if weights.data_type == TensorProto.FLOAT and np.prod(weights.dims) >= HALVED_FROM:
            name = weights.name
            half = numpy_helper.to_array(weights).astype(np.float16)
            weights.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
            casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    for part in (model, model.graph, *model.graph.node):
        del part.metadata_props[:]
        part.doc_string = ""
    for cast in reversed(casts):
        model.graph.node.insert(0, cast)
    del model.graph.value_info[:]  # it tells the sizes of the weights that are no longer there
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())
