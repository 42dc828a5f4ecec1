"""A script as people write it for Keras 3, on torch, with its own BackupAndRestore."""

import os
import time
from typing import Any

import keras
import numpy as np

# For a test: the training hangs at the beginning of this epoch.
HANGS_AT = int(os.environ.get("HANGS_AT", "-1"))


class Speaking(keras.callbacks.Callback):  # type: ignore[misc]  # of Keras
    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ANN401, ARG002 - Keras's
        print(f"epoch {epoch}", flush=True)  # noqa: T201 - a script speaks on stdout
        if epoch == HANGS_AT:
            time.sleep(3600)


def main() -> None:
    keras.utils.set_random_seed(7)
    x = np.random.default_rng(7).normal(size=(64, 4)).astype("float32")
    layers = keras.layers
    model = keras.Sequential([layers.Dense(16, activation="gelu"), layers.Dense(1)])
    model.build((None, 4))
    model.compile("adam", "mse")
    backup = keras.callbacks.BackupAndRestore("out/backup")
    callbacks = [backup, Speaking()]
    y = np.sin(x.sum(1, keepdims=True))
    model.fit(x, y, 8, epochs=4, shuffle=False, verbose=0, callbacks=callbacks)
    np.save("model.npy", np.concatenate([weights.ravel() for weights in model.get_weights()]))


if __name__ == "__main__":
    main()
