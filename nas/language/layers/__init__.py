"""Layers: the operations that networks are written with, `from nas import layers as L`.

Names, fields and defaults are Keras's, except that `padding` is "same" everywhere. Every field accepts a choice:
`L.Conv2D(oneof([16, 32]), 3, activation=oneof(["relu", "swish"]))`. Shapes are (height, width, channels), without the batch.

    convolution     Conv1D Conv2D Conv3D, Conv1DTranspose Conv2DTranspose Conv3DTranspose
    separable       DepthwiseConv1D DepthwiseConv2D, SeparableConv1D SeparableConv2D
    dense           Dense
    pooling         MaxPooling{1,2,3}D AveragePooling{1,2,3}D, GlobalMaxPooling{1,2,3}D GlobalAveragePooling{1,2,3}D
    normalization   BatchNormalization LayerNormalization GroupNormalization
    activation      Activation ReLU LeakyReLU, Dropout SpatialDropout{1,2,3}D
    resizing        Upsample (nearest, bilinear or transpose), UpSampling2D
    merging         Merge (add, concat, none, multiply, average or maximum), Add Multiply Average Maximum Concatenate
    shaping         Identity Flatten Reshape Permute ZeroPadding2D Cropping2D Rescaling

How costs are counted is said in `nas.language.rules`. A new operation is one class: see `nas.language.operation`.
"""

from nas.language.layers.activation import (
    Activation,
    Dropout,
    LeakyReLU,
    ReLU,
    SpatialDropout1D,
    SpatialDropout2D,
    SpatialDropout3D,
)
from nas.language.layers.convolution import Conv1D, Conv1DTranspose, Conv2D, Conv2DTranspose, Conv3D, Conv3DTranspose
from nas.language.layers.dense import Dense
from nas.language.layers.merging import Add, Average, Concatenate, Maximum, Merge, Multiply
from nas.language.layers.normalization import BatchNormalization, GroupNormalization, LayerNormalization
from nas.language.layers.pooling import (
    AveragePooling1D,
    AveragePooling2D,
    AveragePooling3D,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalAveragePooling3D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    GlobalMaxPooling3D,
    MaxPooling1D,
    MaxPooling2D,
    MaxPooling3D,
)
from nas.language.layers.resizing import Upsample, UpSampling2D
from nas.language.layers.separable import DepthwiseConv1D, DepthwiseConv2D, SeparableConv1D, SeparableConv2D
from nas.language.layers.shaping import Cropping2D, Flatten, Identity, Permute, Rescaling, Reshape, ZeroPadding2D

__all__ = [
    "Activation",
    "Add",
    "Average",
    "AveragePooling1D",
    "AveragePooling2D",
    "AveragePooling3D",
    "BatchNormalization",
    "Concatenate",
    "Conv1D",
    "Conv1DTranspose",
    "Conv2D",
    "Conv2DTranspose",
    "Conv3D",
    "Conv3DTranspose",
    "Cropping2D",
    "Dense",
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "Dropout",
    "Flatten",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalAveragePooling3D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "GlobalMaxPooling3D",
    "GroupNormalization",
    "Identity",
    "LayerNormalization",
    "LeakyReLU",
    "MaxPooling1D",
    "MaxPooling2D",
    "MaxPooling3D",
    "Maximum",
    "Merge",
    "Multiply",
    "Permute",
    "ReLU",
    "Rescaling",
    "Reshape",
    "SeparableConv1D",
    "SeparableConv2D",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "UpSampling2D",
    "Upsample",
    "ZeroPadding2D",
]
