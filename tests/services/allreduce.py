"""The ranks of a job add up their numbers by MPI, by the library itself: no package for Python is needed."""

import ctypes
import os
import sys

mpi = ctypes.CDLL("libmpi.so.40", ctypes.RTLD_GLOBAL)
world, integer, add = (
    ctypes.byref(ctypes.c_char.in_dll(mpi, f"ompi_mpi_{name}")) for name in ("comm_world", "int", "op_sum")
)
mpi.MPI_Init(None, None)
rank, total = ctypes.c_int(), ctypes.c_int()
mpi.MPI_Comm_rank(world, ctypes.byref(rank))
mpi.MPI_Allreduce(ctypes.byref(rank), ctypes.byref(total), 1, integer, add, world)
print("rank", rank.value, "sum", total.value, "node", os.environ["AZUREML_CR_NODE_RANK"])
if sys.argv[1:] and rank.value == 1:
    mpi.MPI_Abort(world, int(sys.argv[1]))
mpi.MPI_Finalize()
