"""Draws a number, fetches a file and lists the cache, with the clients that
grpcio-tools generates from the protos. The README says how.

    python example.py ADDRESS FILE
"""

import sys

import grpc

from parity.files.v1 import files_pb2, files_pb2_grpc
from parity.numbers.v1 import numbers_pb2, numbers_pb2_grpc

address, name = sys.argv[1:]
with grpc.insecure_channel(address) as channel:
    numbers = numbers_pb2_grpc.NumberServiceStub(channel)
    print("odd number:", numbers.Draw(numbers_pb2.DrawRequest(parity=numbers_pb2.PARITY_ODD)).number)

    files = files_pb2_grpc.FileServiceStub(channel)
    data = b"".join(response.data for response in files.Get(files_pb2.GetRequest(name=name)))
    print("fetched:", name, len(data), "bytes")

    print("cached:", [file.name for file in files.List(files_pb2.ListRequest()).files])
