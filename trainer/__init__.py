"""The trainer: how one network is trained, tuned and exported.

    data         Dataset, load_data, from_arrays: `photos`, a folder, an .npz file, or gs://
      arrays     reading others' array files safely
      storage    gs://
      photos     the photographs that installed packages carry
    baselines    what a colorizer has to beat without a network
    pipelines    batches in a reproducible order; smaller data for proxy tasks
    strategy     one device, all devices, several machines
    tasks        images, classification, segmentation: what the targets ask for
      scores     PSNR, SSIM, accuracy, mean IoU
    settings     TrainSettings
    training     train, judge
      steps      one step on a batch; predictions
      checkpoint training that survives being killed
    litert       a Keras model as a LiteRT flatbuffer, float32 or int8
    onnx         a Keras model as an ONNX file
    export       .keras, SavedModel, LiteRT, ONNX, source: each reloaded and compared before it counts as done
      reload     the process that loads an export again
    full         a full training in a process of its own
    task         `python -m trainer.task`: the container entry point for training and tuning
    journal      files that a crash leaves whole
    tuning       hyperparameter tuning (HPT)
    vertex       Vertex AI's jobs, and its trial protocol spoken here
    vertex_trial what a Vertex AI NAS trainer imports

TensorFlow is imported where networks are trained or exported, not before.
"""

from trainer.baselines import Baseline, GrayTable, reference_points
from trainer.data import Dataset, from_arrays, load_data
from trainer.pipelines import cheaper
from trainer.scores import psnr, ssim
from trainer.settings import TrainSettings
from trainer.tasks import Task
from trainer.training import Diverged, Epoch, TrainResult, judge, train

__all__ = [
    "Baseline",
    "Dataset",
    "Diverged",
    "Epoch",
    "GrayTable",
    "Task",
    "TrainResult",
    "TrainSettings",
    "cheaper",
    "from_arrays",
    "judge",
    "load_data",
    "psnr",
    "reference_points",
    "ssim",
    "train",
]
