#!/bin/sh
# SPDX-License-Identifier: MIT
#
# install_config.sh FILE FOLDER: installs an example configuration where there is none yet.
set -eu
folder=${DESTDIR:-}$2
name=$(basename "$1")
if [ -e "$folder/$name" ]; then
    echo "Keeping $folder/$name"
else
    echo "Installing $1 to $folder"
    mkdir -p "$folder"
    cp "$1" "$folder/$name"
    chmod 0644 "$folder/$name"
fi
