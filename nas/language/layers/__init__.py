"""Layers: the operations that networks are written with, `from nas import layers as L`.

Names, fields and defaults are Keras's, except that `padding` is "same" everywhere. Every field accepts a choice:
`L.Conv2D(oneof([16, 32]), 3, activation=oneof(["relu", "swish"]))`. Shapes are (height, width, channels), without the batch.

    convolution     Conv1D Conv2D Conv3D, Conv1DTranspose Conv2DTranspose Conv3DTranspose
    separable       DepthwiseConv1D DepthwiseConv2D, SeparableConv1D SeparableConv2D
    dense           Dense
    pooling         MaxPooling{1,2,3}D AveragePooling{1,2,3}D, GlobalMaxPooling{1,2,3}D GlobalAveragePooling{1,2,3}D
    normalization   BatchNormalization LayerNormalization GroupNormalization
    activation      Activation ReLU LeakyReLU, Dropout SpatialDropout{1,2,3}D
    resizing        Downsample (max, average, strided), Upsample (nearest, bilinear, transpose, subpixel), UpSampling{1,2,3}D
    subpixel        DepthToSpace SpaceToDepth
    merging         Merge (add, concat, none, multiply, average or maximum), Add Multiply Average Maximum Concatenate
    zero            Zero: no connection
    attention       SqueezeExcite SelfAttention
    preprocessing   Resizing, Normalization (by statistics of the data)
    shaping         Identity Pick Flatten Reshape Permute Rescaling
    borders         ZeroPadding{1,2,3}D Cropping{1,2,3}D MatchGrid

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
from nas.language.layers.attention import SelfAttention, SqueezeExcite
from nas.language.layers.borders import (
    Cropping1D,
    Cropping2D,
    Cropping3D,
    MatchGrid,
    ZeroPadding1D,
    ZeroPadding2D,
    ZeroPadding3D,
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
from nas.language.layers.preprocessing import Normalization, Resizing
from nas.language.layers.resizing import Downsample, Upsample, UpSampling1D, UpSampling2D, UpSampling3D
from nas.language.layers.separable import DepthwiseConv1D, DepthwiseConv2D, SeparableConv1D, SeparableConv2D
from nas.language.layers.shaping import Flatten, Identity, Permute, Pick, Rescaling, Reshape
from nas.language.layers.subpixel import DepthToSpace, SpaceToDepth
from nas.language.layers.zero import Zero

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
    "Cropping1D",
    "Cropping2D",
    "Cropping3D",
    "Dense",
    "DepthToSpace",
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "Downsample",
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
    "MatchGrid",
    "MaxPooling1D",
    "MaxPooling2D",
    "MaxPooling3D",
    "Maximum",
    "Merge",
    "Multiply",
    "Normalization",
    "Permute",
    "Pick",
    "ReLU",
    "Rescaling",
    "Reshape",
    "Resizing",
    "SelfAttention",
    "SeparableConv1D",
    "SeparableConv2D",
    "SpaceToDepth",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "SqueezeExcite",
    "UpSampling1D",
    "UpSampling2D",
    "UpSampling3D",
    "Upsample",
    "Zero",
    "ZeroPadding1D",
    "ZeroPadding2D",
    "ZeroPadding3D",
]
