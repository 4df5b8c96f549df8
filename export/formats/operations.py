"""The TensorFlow operations that an artifact may hold: those that compute, and nothing else.

TensorFlow has some 1,900 operations. Among them are ones that read and write files (ReadFile,
SaveV2), run Python (PyFunc), open connections (RemoteCall), load code (XlaCustomCall) or map a file
as a constant (ImmutableConst), and not even its own mark for side effects tells them from the
others. So this is a list of what is allowed. What is not on it is refused before TensorFlow sees
the graph; an operation that a new network needs is added here, once its kernel is known to touch
nothing but its inputs.
"""

from export.skeleton.graph import all_nodes


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


CALLS = _names(
    "Case If PartitionedCall StatefulPartitionedCall StatelessCase StatelessIf StatelessWhile While"
    " Enter Exit LoopCond Merge NextIteration Switch"
)
ARRAYS = _names(
    "BatchToSpaceND Bitcast BroadcastArgs BroadcastTo Cast Concat ConcatV2 Const DepthToSpace Diag"
    " DiagPart DynamicPartition DynamicStitch EnsureShape ExpandDims ExtractImagePatches"
    " ExtractVolumePatches Fill Gather GatherNd GatherV2 Identity IdentityN InvertPermutation"
    " ListDiff MatrixBandPart MatrixDiag MatrixDiagPart MatrixDiagPartV2 MatrixDiagPartV3"
    " MatrixDiagV2 MatrixDiagV3 MatrixSetDiag MatrixSetDiagV2 MatrixSetDiagV3 MirrorPad NoOp OneHot"
    " OnesLike Pack Pad PadV2 ParallelDynamicStitch Placeholder PlaceholderWithDefault"
    " PreventGradient Range Rank Reshape Reverse ReverseSequence ReverseV2 Roll ScatterNd"
    " SegmentMax SegmentMean SegmentMin SegmentProd SegmentSum Select SelectV2 Shape ShapeN Size"
    " Slice SpaceToBatchND SpaceToDepth Split SplitV Squeeze StopGradient StridedSlice"
    " TensorScatterAdd TensorScatterMax TensorScatterMin TensorScatterSub TensorScatterUpdate"
    " TensorStridedSliceUpdate Tile Transpose ConjugateTranspose Unique UniqueV2 UniqueWithCounts"
    " UniqueWithCountsV2 Unpack UnravelIndex UnsortedSegmentMax UnsortedSegmentMin"
    " UnsortedSegmentProd UnsortedSegmentSum Where ZerosLike"
)
LISTS = _names(  # of tensors, as loops keep them
    "EmptyTensorList TensorListConcat TensorListConcatV2 TensorListElementShape"
    " TensorListFromTensor TensorListGather TensorListGetItem TensorListLength TensorListPopBack"
    " TensorListPushBack TensorListPushBackBatch TensorListReserve TensorListResize"
    " TensorListScatter TensorListScatterV2 TensorListSetItem TensorListSplit"
    " TensorListStack"
)
NUMBERS = _names(
    "Abs AccumulateNV2 Acos Acosh Add AddN AddV2 All Angle Any ApproximateEqual ArgMax ArgMin Asin"
    " Asinh Atan Atan2 Atanh BatchMatMul BatchMatMulV2 BatchMatMulV3 BesselI0 BesselI0e BesselI1"
    " BesselI1e BitwiseAnd BitwiseOr BitwiseXor Bucketize Ceil CheckNumerics Cholesky ClipByValue"
    " Complex ComplexAbs Conj Cos Cosh Cross CumulativeLogsumexp Cumprod Cumsum Digamma Div"
    " DivNoNan Einsum Equal Erf Erfc Erfinv EuclideanNorm Exp Expm1 Floor FloorDiv FloorMod Greater"
    " GreaterEqual Imag Inv Invert IsFinite IsInf IsNan L2Loss LeftShift Less LessEqual Lgamma"
    " LinSpace Log Log1p LogicalAnd LogicalNot LogicalOr MatMul MatrixDeterminant MatrixInverse"
    " MatrixSolve MatrixTriangularSolve Max Maximum Mean Min Minimum Mod Mul MulNoNan Ndtri Neg"
    " NextAfter NotEqual Pow Prod Qr Real RealDiv Reciprocal RightShift Rint Round Rsqrt"
    " SelfAdjointEigV2 Sigmoid Sign Sin Sinh Sqrt Square SquaredDifference Sub Sum Svd Tan Tanh"
    " TruncateDiv TruncateMod Xdivy Xlog1py Xlogy Zeta FFT FFT2D FFT3D FFTND IFFT IFFT2D IFFT3D"
    " IFFTND IRFFT IRFFT2D IRFFT3D IRFFTND RFFT RFFT2D RFFT3D RFFTND"
)
LAYERS = _names(
    "AvgPool AvgPool3D BiasAdd BiasAddV1 Conv Conv2D Conv2DBackpropInput Conv2DBackpropInputV2"
    " Conv3D Conv3DBackpropInputV2 DataFormatDimMap DataFormatVecPermute DepthwiseConv2dNative"
    " DepthwiseConv2dNativeBackpropInput Dequantize Dilation2D Elu FakeQuantWithMinMaxArgs"
    " FakeQuantWithMinMaxVars FakeQuantWithMinMaxVarsPerChannel FusedBatchNorm FusedBatchNormV2"
    " FusedBatchNormV3 InTopKV2 LRN LeakyRelu LogSoftmax MaxPool MaxPool3D MaxPoolV2"
    " MaxPoolWithArgmax NthElement QuantizeAndDequantizeV2 QuantizeAndDequantizeV3"
    " QuantizeAndDequantizeV4 QuantizeV2 Relu Relu6 Selu Softmax Softplus Softsign TopKV2"
)
PICTURES = _names(
    "AdjustContrastv2 AdjustHue AdjustSaturation CropAndResize DecodeAndCropJpeg DecodeBmp"
    " DecodeGif DecodeImage DecodeJpeg DecodePng DecodeWebP ExtractJpegShape HSVToRGB"
    " ImageProjectiveTransformV2 ImageProjectiveTransformV3 RGBToHSV ResizeArea ResizeBicubic"
    " ResizeBilinear ResizeNearestNeighbor ScaleAndTranslate"
)
TEXT = _names(
    "AsString DenseBincount LowerBound RaggedBincount RaggedGather RaggedRange"
    " RaggedTensorToTensor RegexFullMatch RegexReplace StaticRegexFullMatch StaticRegexReplace"
    " StringFormat StringJoin StringLength StringLower StringNGrams StringSplit StringSplitV2"
    " StringStrip StringToHashBucketFast StringToHashBucketStrong StringToNumber StringUpper Substr"
    " UnicodeDecodeWithOffsets UpperBound"
)
# From a seed that is given: the same numbers every time.
DRAWS = _names(
    "StatelessRandomGetKeyCounter StatelessRandomGetKeyCounterAlg StatelessRandomNormal"
    " StatelessRandomNormalV2 StatelessRandomUniform StatelessRandomUniformFullInt"
    " StatelessRandomUniformInt StatelessRandomUniformIntV2 StatelessRandomUniformV2"
    " StatelessTruncatedNormal StatelessTruncatedNormalV2"
)
COMPUTE = CALLS | ARRAYS | LISTS | NUMBERS | LAYERS | PICTURES | TEXT | DRAWS | {"Assert"}
READ_VARIABLES = _names("ReadVariableOp ResourceGather ResourceGatherNd VariableShape")
# What TensorFlow puts into the functions that restore and save a SavedModel's variables.
RESTORE = _names("AssignVariableOp Const Identity NoOp RestoreV2")
SAVE = _names(
    "Const DisableCopyOnRead Identity MergeV2Checkpoints NoOp Pack ReadVariableOp SaveV2 Select"
    " ShardedFilename StaticRegexFullMatch StringJoin"
)
ENGINE = "TRTEngineOp"
# What each attribute of an engine holds. TensorFlow here does not know the operation, and takes a
# default, such as an engine that was built already, where one is missing.
ENGINE_ATTRIBUTES = {
    "InT": "list",
    "OutT": "list",
    "_allow_build_at_runtime": "b",
    "_use_implicit_batch": "b",
    "cached_engine_batches": "list",
    "calibration_data": "s",
    "fixed_input_size": "b",
    "input_shapes": "list",
    "max_batch_size": "i",
    "max_cached_engines_count": "i",
    "output_shapes": "list",
    "precision_mode": "s",
    "profile_strategy": "s",
    "segment_func": "func",
    "segment_funcdef_name": "s",
    "serialized_segment": "s",
    "static_engine": "b",
    "use_calibration": "b",
    "use_explicit_precision": "b",
    "workspace_size_bytes": "i",
}


def beyond_computing(graph) -> str:
    """Say which operation of a traced network no artifact may hold; empty where there is none."""
    for node in all_nodes(graph):
        if node.op not in COMPUTE:
            return (
                f"{node.name} is the operation {node.op}, which is not on the list of those that a "
                "network needs to compute, so no artifact may hold it; leave it out of the model"
            )
    return ""
