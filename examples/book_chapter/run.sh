#!/bin/sh
# The chapter on this machine: data, tuning, the table of trials. Usage: run.sh FOLDER [options of `nas tune`]
set -e
here=$(dirname "$0")
folder=${1:?where to: run.sh FOLDER}
shift
[ -e "$folder/data/val_y.npy" ] || python "$here/make_data.py" "$folder/data" 24
exec nas tune --script "$here/task.py" --spec "$here/hpt.yaml" --flag "data=$folder/data" --out "$folder/tuning" "$@"
