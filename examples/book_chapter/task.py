"""Colours gray photographs: the training task of a chapter on hyperparameter tuning, for Vertex AI and for this machine.

It knows nothing of Espalier. It takes its hyperparameters as flags, reads its data under a gs:// prefix or from a folder, saves
the network to AIP_MODEL_DIR and reports `val_loss` with cloudml-hypertune. README.md lists the lines that TensorFlow 2.16 and
Keras 3 made it change.
"""

import argparse
import os

import hypertune
import numpy as np
import tensorflow as tf
from tensorflow.keras.layers import Activation, BatchNormalization, Conv2D, Conv2DTranspose, Dropout, Input, LeakyReLU
from tensorflow.keras.models import Model
from tensorflow.keras.optimizers import Adam
from tensorflow.python.lib.io import file_io

DATA = os.environ.get("DATA_PREFIX", "gs://your-bucket/colorization")


def get_args():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", required=True, type=int, help="training epochs")
    parser.add_argument("--steps_per_epoch", required=True, type=int, help="batches in an epoch")
    parser.add_argument("--learning_rate", required=True, type=float, help="learning rate of Adam")
    parser.add_argument("--batch_size", required=True, type=int, help="examples in a batch")
    parser.add_argument("--loss", required=True, type=str, help="loss function")
    parser.add_argument("--distribute", default="single", type=str, help="single, mirror or multi")
    parser.add_argument("--data", default=DATA, type=str, help="where train_x.npy, train_y.npy, val_x.npy, val_y.npy are")
    return parser.parse_args()


def get_data(prefix):
    arrays = []
    for name in ("train_x", "train_y", "val_x", "val_y"):
        with file_io.FileIO(f"{prefix}/{name}.npy", "rb") as file:
            images = np.load(file)
        arrays.append((images.astype("float32") - 127.5) / 127.5)
    return arrays


def get_strategy(name):
    print("GPUs:", tf.config.list_physical_devices("GPU"))
    if name == "mirror":
        return tf.distribute.MirroredStrategy()
    if name == "multi":
        return tf.distribute.MultiWorkerMirroredStrategy()
    return tf.distribute.get_strategy()


def encode(x, filters, kernel_size, normalize=True):
    x = Conv2D(filters, kernel_size, strides=2, padding="same")(x)
    x = LeakyReLU(negative_slope=0.2)(x)
    return BatchNormalization(momentum=0.8)(x) if normalize else x


def decode(x, filters):
    x = Conv2DTranspose(filters, 3, strides=2, padding="same")(x)
    x = Activation("relu")(x)
    return BatchNormalization(momentum=0.8)(x)


def create_model():
    gray = Input(shape=(80, 80, 1))
    x = encode(gray, 32, 3)
    x = encode(x, 64, 3)
    x = encode(x, 128, 3)
    x = encode(x, 256, 1, normalize=False)
    x = Dropout(0.5)(x)
    x = decode(x, 256)
    x = decode(x, 128)
    x = decode(x, 64)
    x = decode(x, 32)
    x = Conv2D(3, 3, padding="same")(x)
    return Model(gray, Activation("tanh")(x))


def main():
    args = get_args()
    train_x, train_y, val_x, val_y = get_data(args.data)
    with get_strategy(args.distribute).scope():
        model = create_model()
        model.compile(loss=args.loss, optimizer=Adam(learning_rate=args.learning_rate, beta_1=0.5))
    model.summary()
    train = tf.data.Dataset.from_tensor_slices((train_x, train_y)).shuffle(len(train_x)).repeat().batch(args.batch_size)
    history = model.fit(
        train,
        epochs=args.epochs,
        steps_per_epoch=args.steps_per_epoch,
        validation_data=(val_x, val_y),
        verbose=2,
    )
    model.export(os.environ["AIP_MODEL_DIR"])

    hpt = hypertune.HyperTune()
    hpt.report_hyperparameter_tuning_metric(
        hyperparameter_metric_tag="val_loss",
        metric_value=history.history["val_loss"][-1],
        global_step=args.epochs,
    )


if __name__ == "__main__":
    main()
