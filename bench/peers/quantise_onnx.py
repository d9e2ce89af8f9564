#!/usr/bin/env python3
"""Dynamic int8: every product of an ONNX graph with constant weights, in the form ONNX Runtime fuses.

    quantise_onnx.py IN.onnx OUT.onnx

As ONNX Runtime's own quantize_dynamic does it (its Python package is in no distribution): activations
to uint8 with one scale a tensor when they are known (DynamicQuantizeLinear), weights to int8 ahead, here
with one scale a column, which is its per_channel=True and the more exact one; MatMulInteger, then the
two scales. What is no product of two dimensions stays float32.
"""
import sys

import numpy as np
import onnx
from onnx import helper, numpy_helper


def main():
    source, target = sys.argv[1:]
    model = onnx.load(source)
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    uses = {}
    for node in graph.node:
        for name in node.input:
            uses[name] = uses.get(name, 0) + 1
    nodes, added, quantised_inputs, replaced = [], [], {}, set()
    for node in graph.node:
        is_product = node.op_type == 'MatMul' and node.input[1] in weights
        is_gemm = node.op_type == 'Gemm' and node.input[1] in weights
        if not is_product and not is_gemm:
            nodes.append(node)
            continue
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        if is_gemm and (attributes.get('alpha', 1) != 1 or attributes.get('beta', 1) != 1 or attributes.get('transA')):
            raise SystemExit(f'{source}: Gemm {node.name} with alpha, beta or transA')
        values = numpy_helper.to_array(weights[node.input[1]])
        if attributes.get('transB'):
            values = values.T
        scale = np.maximum(np.abs(values).max(0), 1e-12) / 127
        stem = node.input[1] + '_q' if uses[node.input[1]] == 1 else node.name + '_q'
        added += [numpy_helper.from_array(np.round(values / scale).astype(np.int8), stem),
                  numpy_helper.from_array(np.zeros((), np.int8), stem + '_zero'),
                  numpy_helper.from_array(scale.astype(np.float32), stem + '_scale')]
        replaced.add(node.input[1])
        a = node.input[0]
        if a not in quantised_inputs:
            quantised_inputs[a] = [a + end for end in ('_u8', '_u8_scale', '_u8_zero')]
            nodes.append(helper.make_node('DynamicQuantizeLinear', [a], quantised_inputs[a]))
        byte, a_scale, a_zero = quantised_inputs[a]
        out = node.output[0]
        bias = node.input[2] if is_gemm and len(node.input) > 2 else None
        product = out if bias is None else out + '_product'
        nodes += [helper.make_node('MatMulInteger', [byte, stem, a_zero, stem + '_zero'], [out + '_i32']),
                  helper.make_node('Cast', [out + '_i32'], [out + '_f32'], to=onnx.TensorProto.FLOAT),
                  helper.make_node('Mul', [a_scale, stem + '_scale'], [out + '_scales']),
                  helper.make_node('Mul', [out + '_f32', out + '_scales'], [product])]
        if bias is not None:
            nodes.append(helper.make_node('Add', [product, bias], [out]))
    kept = [tensor for tensor in graph.initializer if tensor.name not in replaced]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(kept + added)
    onnx.checker.check_model(model)
    onnx.save(model, target)
    print(f'{target}: {len(replaced)} products in int8', file=sys.stderr)


if __name__ == '__main__':
    main()
