"""Runs the program as several processes that train together on this machine."""
import os
import socket
import subprocess

from training_run import TrainingRun


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class TrainingProcesses(TrainingRun):
    def launch(self, run, size, *arguments, per_rank=lambda rank: (), variables_of=lambda rank: {},
               **variables):
        """Starts ranks 0 to size - 1 on `run`, or on run(rank), each with `arguments` and per_rank(rank), in an
        environment with `variables` and variables_of(rank)."""
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": str(size),
                 "LOCAL_WORLD_SIZE": str(size), **variables}
        processes = []
        for rank in range(size):
            command = [self.PROGRAM, "train", "config.json", "--run-dir", run(rank) if callable(run) else run,
                       "--resume", *arguments, *per_rank(rank)]
            environment = {**self.environment, **place, "RANK": str(rank), "LOCAL_RANK": str(rank),
                           **variables_of(rank)}
            process = subprocess.Popen(command, cwd=self.folder, env=environment, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True)
            self.addCleanup(self.end, process)
            processes.append(process)
        return processes

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
        process.communicate()

    def outcomes(self, processes, timeout=120):
        """(exit code, standard output, standard error) of each."""
        ends = []
        for process in processes:
            output, errors = process.communicate(timeout=timeout)
            ends.append((process.returncode, output, errors))
        return ends

    def train(self, run, size, *arguments):
        """Trains to the end, as one process without the variables where size is 1."""
        if size == 1:
            command = [self.PROGRAM, "train", "config.json", "--run-dir", run, "--resume", *arguments]
            process = subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True)
            ends = self.outcomes([process])
        else:
            ends = self.outcomes(self.launch(run, size, *arguments))
        for code, _, errors in ends:
            self.assertEqual(code, 0, errors)
        return ends
