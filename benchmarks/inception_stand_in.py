"""Networks with the layers of the 2015-12-05 Inception graph and random weights.

The real graph cannot be shipped. The frozen TensorFlow graph that is built here has its layers, its
tensor names, its old operations and its size, so that tests can run the code that reads it and
benchmarks can time it. The PyTorch network is built as in pytorch-fid.
"""

import numpy as np

# A convolution is (filters, rows, columns, stride, padding); a branch is a list of
# convolutions and pools; a list of branches inside a branch splits it.
SAME, VALID = "SAME", "VALID"
MAX_1, MAX_2, AVG = ("MaxPool", 1, SAME), ("MaxPool", 2, VALID), ("AvgPool", 1, SAME)


def conv(filters, rows=1, columns=None, stride=1, padding=SAME):
    return ("Conv2D", filters, rows, columns or rows, stride, padding)


def block_35(pooled):
    return [
        [conv(64)],
        [conv(48), conv(64, 5)],
        [conv(64), conv(96, 3), conv(96, 3)],
        [AVG, conv(pooled)],
    ]


def block_17(width):
    return [
        [conv(192)],
        [conv(width), conv(width, 1, 7), conv(192, 7, 1)],
        [
            conv(width),
            conv(width, 7, 1),
            conv(width, 1, 7),
            conv(width, 7, 1),
            conv(192, 1, 7),
        ],
        [AVG, conv(192)],
    ]


def block_8(pool):
    split = [[conv(384, 1, 3)], [conv(384, 3, 1)]]
    return [[conv(320)], [conv(384), split], [conv(448), conv(384, 3), split], [pool, conv(192)]]


STEM = [
    conv(32, 3, stride=2, padding=VALID),
    conv(32, 3, padding=VALID),
    conv(64, 3),
    MAX_2,
    conv(80, padding=VALID),
    conv(192, 3, padding=VALID),
    MAX_2,
]
BLOCKS = [
    block_35(32),
    block_35(64),
    block_35(64),
    [
        [conv(384, 3, stride=2, padding=VALID)],
        [conv(64), conv(96, 3), conv(96, 3, stride=2, padding=VALID)],
        [MAX_2],
    ],
    block_17(128),
    block_17(160),
    block_17(160),
    block_17(192),
    [
        [conv(192), conv(320, 3, stride=2, padding=VALID)],
        [
            conv(192),
            conv(192, 1, 7),
            conv(192, 7, 1),
            conv(192, 3, stride=2, padding=VALID),
        ],
        [MAX_2],
    ],
    block_8(AVG),
    # Its pooling branch takes the maximum. In all other versions of Inception v3 it averages.
    block_8(MAX_1),
]


class GraphBuilder:
    """Writes the nodes of the frozen graph one by one."""

    def __init__(self, width, seed):
        import tensorflow as tf

        self.tf = tf
        self.width = width
        self.rng = np.random.default_rng(seed)
        self.definition = tf.compat.v1.GraphDef()
        # BatchNormWithGlobalNormalization was withdrawn in version 9 of the format.
        self.definition.versions.producer = 8

    def node(self, name, op, *inputs, **attributes):
        node = self.definition.node.add(name=name, op=op, input=inputs)
        for key, value in attributes.items():
            attribute = node.attr[key]
            if isinstance(value, bool):
                attribute.b = value
            elif isinstance(value, str):
                attribute.s = value.encode()
            elif isinstance(value, float):
                attribute.f = value
            elif isinstance(value, list):
                attribute.list.i.extend(value)
            elif isinstance(value, np.ndarray):
                attribute.tensor.CopyFrom(self.tf.make_tensor_proto(value))
            elif isinstance(value, self.tf.DType):
                attribute.type = value.as_datatype_enum
            else:
                attribute.i = value
        return name

    def constant(self, name, value):
        return self.node(name, "Const", dtype=self.tf.as_dtype(value.dtype), value=value)

    def convolution(self, name, source, channels, layer):
        _, filters, rows, columns, stride, padding = layer
        filters = max(filters // self.width, 1)
        float32 = self.tf.float32
        deviation = np.sqrt(2 / (rows * columns * channels))
        kernel = self.rng.normal(0, deviation, (rows, columns, channels, filters))
        moments = {
            "moving_mean": self.rng.normal(0, 0.1, filters),
            "moving_variance": self.rng.uniform(0.8, 1.2, filters),
            "beta": self.rng.normal(0, 0.1, filters),
            "gamma": np.ones(filters),
        }
        weights = self.constant(f"{name}/conv2d_params", kernel.astype("float32"))
        convolved = self.node(
            f"{name}/Conv2D",
            "Conv2D",
            source,
            weights,
            T=float32,
            strides=[1, stride, stride, 1],
            padding=padding,
        )
        moments = [
            self.constant(f"{name}/batchnorm/{key}", value.astype("float32"))
            for key, value in moments.items()
        ]
        normalized = self.node(
            f"{name}/batchnorm",
            "BatchNormWithGlobalNormalization",
            convolved,
            *moments,
            T=float32,
            variance_epsilon=0.001,
            scale_after_normalization=False,
        )
        checked = self.node(
            f"{name}/CheckNumerics", "CheckNumerics", normalized, T=float32, message="NaN"
        )
        passed = self.node(
            f"{name}/control_dependency", "Identity", normalized, f"^{checked}", T=float32
        )
        return self.node(name, "Relu", passed, T=float32), filters

    def pool(self, name, source, layer):
        op, stride, padding = layer
        return self.node(
            name,
            op,
            source,
            T=self.tf.float32,
            ksize=[1, 3, 3, 1],
            strides=[1, stride, stride, 1],
            padding=padding,
        )

    def sequence(self, name, source, channels, layers):
        """Return the name and channels of each node that ends a branch; a split has several."""
        for index, layer in enumerate(layers):
            here = f"{name}_{index}" if index else name
            if isinstance(layer, list):
                return [
                    end
                    for number, branch in enumerate(layer)
                    for end in self.sequence(f"{here}_{number}", source, channels, branch)
                ]
            if layer[0] == "Conv2D":
                source, channels = self.convolution(here, source, channels, layer)
            else:
                source = self.pool(here, source, layer)
        return [(source, channels)]

    def build(self):
        tf = self.tf
        contents = self.constant("DecodeJpeg/contents", np.array(b""))
        image = self.node("DecodeJpeg", "DecodeJpeg", contents, channels=3)
        image = self.node("Cast", "Cast", image, SrcT=tf.uint8, DstT=tf.float32)
        axis = self.constant("ExpandDims/dim", np.array(0, "int32"))
        image = self.node("ExpandDims", "ExpandDims", image, axis, T=tf.float32)
        size = self.constant("ResizeBilinear/size", np.array([299, 299], "int32"))
        image = self.node("ResizeBilinear", "ResizeBilinear", image, size, T=tf.float32)
        center = self.constant("Sub/y", np.array(128, "float32"))
        image = self.node("Sub", "Sub", image, center, T=tf.float32)
        scale = self.constant("Mul/y", np.array(1 / 128, "float32"))
        image = self.node("Mul", "Mul", image, scale, T=tf.float32)
        ((source, channels),) = self.sequence("conv", image, 3, STEM)
        for index, block in enumerate(BLOCKS):
            name = f"mixed_{index}" if index else "mixed"
            ends = [
                end
                for number, branch in enumerate(block)
                for end in self.sequence(f"{name}/tower_{number}", source, channels, branch)
            ]
            axis = self.constant(f"{name}/join/concat_dim", np.array(3, "int32"))
            names = [name for name, _ in ends]
            source = self.node(f"{name}/join", "Concat", axis, *names, T=tf.float32, N=len(names))
            channels = sum(channels for _, channels in ends)
        self.node(
            "pool_3",
            "AvgPool",
            source,
            T=tf.float32,
            ksize=[1, 8, 8, 1],
            strides=[1, 1, 1, 1],
            padding=VALID,
        )
        shape = self.constant("pool_3/_reshape/shape", np.array([1, channels], "int32"))
        flat = self.node("pool_3/_reshape", "Reshape", "pool_3", shape, T=tf.float32)
        weights = self.rng.normal(0, 0.05, (channels, 1008)).astype("float32")
        weights = self.constant("softmax/weights", weights)
        self.node("softmax/logits/MatMul", "MatMul", flat, weights, T=tf.float32)
        return self.definition


def frozen_graph(width=1, seed=0):
    """Return the bytes of a `classify_image_graph_def.pb`, with channels divided by `width`."""
    return GraphBuilder(width, seed).build().SerializeToString()


def torch_network():
    """Return the PyTorch network; like pytorch-fid's it takes [n, 3, h, w] in [0, 1]."""
    import torch
    from torch import nn
    from torch.nn import functional

    class Convolution(nn.Module):
        def __init__(self, channels, layer):
            super().__init__()
            _, filters, rows, columns, stride, padding = layer
            around = (rows // 2, columns // 2) if padding == SAME else 0
            self.conv = nn.Conv2d(
                channels, filters, (rows, columns), stride=stride, padding=around, bias=False
            )
            self.bn = nn.BatchNorm2d(filters, eps=0.001)

        def forward(self, x):
            return functional.relu(self.bn(self.conv(x)), inplace=True)

    class Branches(nn.Module):
        def __init__(self, channels, branches):
            super().__init__()
            sequences = [sequence(channels, branch) for branch in branches]
            self.branches = nn.ModuleList(module for module, _ in sequences)
            self.channels = sum(channels for _, channels in sequences)

        def forward(self, x):
            return torch.cat([branch(x) for branch in self.branches], 1)

    def sequence(channels, layers):
        modules = []
        for layer in layers:
            if isinstance(layer, list):
                modules.append(Branches(channels, layer))
                channels = modules[-1].channels
            elif layer[0] == "Conv2D":
                modules.append(Convolution(channels, layer))
                channels = layer[1]
            else:
                kind, stride, padding = layer
                around = 1 if padding == SAME else 0
                if kind == "MaxPool":
                    modules.append(nn.MaxPool2d(3, stride=stride, padding=around))
                else:
                    # Like TensorFlow, pytorch-fid's patched pooling excludes the border.
                    modules.append(
                        nn.AvgPool2d(3, stride=stride, padding=around, count_include_pad=False)
                    )
        return nn.Sequential(*modules), channels

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            body, channels = sequence(3, [*STEM])
            blocks = [body]
            for block in BLOCKS:
                blocks.append(Branches(channels, block))
                channels = blocks[-1].channels
            self.blocks = nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1))

        def forward(self, x):
            x = functional.interpolate(x, size=(299, 299), mode="bilinear", align_corners=False)
            return self.blocks(2 * x - 1).flatten(1)

    return Network().eval()
