"""Add the numbers of the ranks by MPI."""

from mpi4py import MPI

world = MPI.COMM_WORLD
print("rank", world.rank, "of", world.size, "has", world.allreduce(world.rank), "with", MPI.Get_library_version()[:11])
