"""The steps that ONNX Runtime's quantizer makes of a range."""

import numpy as np

TYPES = {"uint8": 2, "int8": 3}  # TensorProto's


def steps_of(span: tuple[float, float], kind: str, symmetric: bool) -> tuple[float, int]:
    """Scale and zero point of a range, by the quantizer's arithmetic; (0.0, 0) for other kinds."""
    from onnxruntime.quantization.quant_utils import compute_scale_zp, get_qmin_qmax_for_qType

    if kind not in TYPES:
        return (0.0, 0)
    least, most = get_qmin_qmax_for_qType(TYPES[kind], symmetric=symmetric)
    low, high = (np.array(end, np.float32) for end in span)
    zero, scale = compute_scale_zp(low, high, least, most, symmetric)
    return float(scale), int(zero)
