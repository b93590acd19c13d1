//! The vital signs of a Linux host, read from /proc, /sys and cgroups.
