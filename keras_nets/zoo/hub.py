"""Image classifiers of keras-hub, small, with weights of a seed: nothing is fetched."""

from keras_nets.zoo.filled import filled

CLASSES = 10
IMAGE = (64, 64, 3)
# What each network's backbone is built with.
BACKBONES = {
    "CSPNet": {
        "stem_filters": 8,
        "stem_kernel_size": 3,
        "stem_strides": 2,
        "stackwise_depth": [1, 2],
        "stackwise_strides": [1, 2],
        "stackwise_num_filters": [16, 24],
        "block_type": "dark_block",
        "stage_type": "dark",
        "image_shape": IMAGE,
    },
    "DeiT": {
        "image_shape": IMAGE,
        "patch_size": (16, 16),
        "num_layers": 2,
        "num_heads": 2,
        "hidden_dim": 32,
        "intermediate_dim": 64,
    },
    "DenseNet": {"stackwise_num_repeats": [2, 2, 2], "growth_rate": 8, "image_shape": IMAGE},
    "EfficientNet": {
        "stackwise_width_coefficients": [1.0, 1.0],
        "stackwise_depth_coefficients": [1.0, 1.0],
        "stackwise_kernel_sizes": [3, 5],
        "stackwise_num_repeats": [1, 2],
        "stackwise_input_filters": [16, 16],
        "stackwise_output_filters": [16, 24],
        "stackwise_expansion_ratios": [1, 4],
        "stackwise_squeeze_and_excite_ratios": [0.25, 0.25],
        "stackwise_strides": [1, 2],
        "stackwise_block_types": ["v1", "v1"],
        "stackwise_force_input_filters": [0, 0],
        "stackwise_nores_option": [False, False],
        "input_shape": IMAGE,
        "num_features": 64,
    },
    "HGNetV2": {
        "depths": [1, 2],
        "embedding_size": 16,
        "hidden_sizes": [32, 48],
        "stem_channels": [3, 8, 16],
        "hidden_act": "relu",
        "use_learnable_affine_block": False,
        "stackwise_stage_filters": [[16, 8, 32, 1, 2, 3], [32, 16, 48, 1, 2, 3]],
        "apply_downsample": [False, True],
        "use_lightweight_conv_block": [False, True],
        "image_shape": IMAGE,
    },
    "MiT": {
        "layerwise_depths": [1, 1],
        "num_layers": 2,
        "layerwise_num_heads": [1, 2],
        "layerwise_sr_ratios": [4, 1],
        "max_drop_path_rate": 0.1,
        "layerwise_patch_sizes": [7, 3],
        "layerwise_strides": [4, 2],
        "image_shape": IMAGE,
        "hidden_dims": [16, 32],
    },
    "ResNet": {
        "input_conv_filters": [64],
        "input_conv_kernel_sizes": [7],
        "stackwise_num_filters": [64, 128],
        "stackwise_num_blocks": [1, 2],
        "stackwise_num_strides": [1, 2],
        "block_type": "basic_block",
        "image_shape": IMAGE,
    },
    "SwinTransformer": {
        "image_shape": IMAGE,
        "embed_dim": 16,
        "depths": [2, 2],
        "num_heads": [2, 2],
        "window_size": 4,
    },
    "VGG": {
        "stackwise_num_repeats": [1, 1, 2],
        "stackwise_num_filters": [8, 16, 24],
        "image_shape": IMAGE,
    },
    "ViT": {
        "image_shape": IMAGE,
        "patch_size": (16, 16),
        "num_layers": 2,
        "num_heads": 2,
        "hidden_dim": 32,
        "mlp_dim": 64,
    },
    "Xception": {
        "stackwise_conv_filters": [[8, 16], [24, 24], [32, 32]],
        "stackwise_pooling": [False, True, False],
        "image_shape": IMAGE,
    },
}


@filled
def classifier(network: str):
    """The image classifier of keras-hub around a small backbone of `network`."""
    import keras_hub

    backbone = getattr(keras_hub.models, f"{network}Backbone")(**BACKBONES[network])
    kind = getattr(keras_hub.models, f"{network}ImageClassifier")
    return kind(backbone=backbone, preprocessor=None, num_classes=CLASSES)
