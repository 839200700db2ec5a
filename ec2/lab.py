"""One lab on AWS: its two stacks, its head and its workers, found by its name alone; nothing of it is kept here."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ec2 import release, remote, stacks
from ec2.cloud import Absent, Cloud, CloudError
from ec2.stacks import Tell
from ec2.text import tr
from ec2.wishes import Wishes, check_name, check_quota, check_workers, fit
from labkit.errors import InvalidArgument

HERE = Path(__file__).parent
CURRENT = "/srv/labkit/current"
WORKERS_TAG = "labkit-workers"  # how many there were when the lab was stopped


@dataclasses.dataclass(frozen=True)
class Standing:
    """What runs of a lab.

    Parameters
    ----------
    head : str
        The head's id, and its state as EC2 names it.
    state : str
    instance_type : str
    url : str
    workers : list of str
        The states of the workers.
    n_workers : int
        How many there shall be.
    first_boot : str
        What the head last said of its set-up: "ready", "failed: …" or "" before that.
    release : str
    bucket : str
    disk_gib : int
    credits : str
        How the head bursts; empty for a type that does not.
    """

    head: str
    state: str
    instance_type: str
    url: str
    workers: list[str]
    n_workers: int
    first_boot: str
    release: str
    bucket: str
    disk_gib: int
    credits: str
    worker_type: str


class Ec2Lab:
    """One lab by its name.

    Parameters
    ----------
    cloud : Cloud
    name : str
    """

    def __init__(self, cloud: Cloud, name: str) -> None:
        check_name(name, cloud.lang)
        self.cloud, self.name = cloud, name
        self.stack, self.bucket_stack = f"labkit-{name}", f"labkit-{name}-bucket"

    def bucket(self, account: str) -> str:
        """Return the bucket's name, which its account and region make unique."""
        return f"labkit-{self.name}-{account}-{self.cloud.region}"

    def up(self, wishes: Wishes, tell: Tell, *, dry_run: bool = False) -> dict[str, str]:
        """Make bucket, release and lab; what is there already is not made again. Return what the lab's stack tells.

        Raises
        ------
        LabError
            What went wrong, what is left, and what to do; doing it again goes on where it ended.
        """
        wishes.check(self.cloud.lang)
        account = self.cloud.account()
        self._check_whole()
        values = fit(self.cloud, wishes)
        bucket = self.bucket(account)
        with tempfile.TemporaryDirectory() as scratch:
            packed = release.pack(Path(scratch), self.cloud.lang)
            if packed.n_uncommitted:
                tell(tr("uncommitted", self.cloud.lang, n=packed.n_uncommitted))
            values |= {"BucketName": bucket, "Release": packed.name, "Fetch": (HERE / "fetch.sh").read_text("utf-8")}
            if dry_run:
                for name, kind, size in (
                    (self.bucket_stack, "bucket.yaml", ""), (self.stack, "lab.yaml", f" {packed.name}")
                ):  # fmt: skip
                    tell(tr("would_create", self.cloud.lang, stack=name, template=kind) + size)
                for key in sorted(values.keys() - {"Fetch"}):
                    tell(f"  {key} = {values[key]}")
                return values
            self._make_bucket(bucket, tell)
            tell(tr("release", self.cloud.lang, name=packed.name, mb=f"{packed.n_bytes / 1e6:.1f}"))
            release.upload(self.cloud, packed, bucket)
        made = stacks.create(self.cloud, self.stack, (HERE / "lab.yaml").read_text("utf-8"), values, tell)
        return stacks.outputs(made)

    def standing(self) -> Standing:
        """Return what runs of the lab."""
        stack = self._found()
        told, made = stacks.outputs(stack), stacks.parameters(stack)
        head = self._instance(told["Head"])
        pool = self._pool(told["WorkerPool"])
        credits = next((tag["Value"] for tag in head.get("Tags", []) if tag["Key"] == "labkit-credits"), "none")
        return Standing(
            head=told["Head"], state=head["State"]["Name"], instance_type=head["InstanceType"], url=told["Url"],
            workers=[each["LifecycleState"] for each in pool["Instances"]], n_workers=pool["DesiredCapacity"],
            first_boot=self.parameter("state") or "", release=self.parameter("release") or made["Release"],
            bucket=made["BucketName"], disk_gib=int(made["DiskGiB"]), credits="" if credits == "none" else credits,
            worker_type=made["WorkerType"],
        )  # fmt: skip

    def scale(self, n_workers: int) -> int:
        """Have so many workers; return how many there were to be.

        Raises
        ------
        NotEnoughResources
            If the quota does not hold them.
        """
        check_workers(n_workers, self.cloud.lang)
        now = self.standing()
        if now.state != "running" and n_workers:
            raise CloudError(tr("not_running", self.cloud.lang, state=now.state))
        if n_workers > now.n_workers:
            check_quota(self.cloud, {now.worker_type: n_workers - now.n_workers})
        self._set_workers(n_workers)
        return now.n_workers

    def stop(self) -> int:
        """Stop the head and end the workers; what is on the head's disk stays. Return how many workers there were."""
        now = self.standing()
        if now.n_workers:
            self.cloud.call(
                "ec2", "create_tags", Resources=[now.head], Tags=[{"Key": WORKERS_TAG, "Value": str(now.n_workers)}]
            )
            self._set_workers(0)
        self.cloud.call("ec2", "stop_instances", InstanceIds=[now.head])
        return now.n_workers

    def start(self) -> int:
        """Start the head and as many workers as there were; return their number."""
        now = self.standing()
        if now.state == "terminated":
            raise CloudError(tr("not_running", self.cloud.lang, state=now.state))
        tags = {tag["Key"]: tag["Value"] for tag in self._instance(now.head).get("Tags", [])}
        self.cloud.call("ec2", "start_instances", InstanceIds=[now.head])
        n_workers = int(tags.get(WORKERS_TAG, now.n_workers))
        if n_workers != now.n_workers:
            self._set_workers(n_workers)
        self.cloud.call("ec2", "delete_tags", Resources=[now.head], Tags=[{"Key": WORKERS_TAG}])
        return n_workers

    def run(self, command: str, *, timeout_s: int = 600) -> str:
        """Run a command on the head, as root."""
        now = self.standing()
        if now.state != "running":
            raise CloudError(tr("not_running", self.cloud.lang, state=now.state))
        return remote.run(self.cloud, now.head, command, timeout_s=timeout_s)

    def update(self, tell: Tell, *, dry_run: bool = False) -> str:
        """Bring the code that is checked out to the head, then to the workers, which are made anew.

        The head keeps what it has, and goes back to the release before where the new one is not ready.

        Raises
        ------
        CloudError
            If the new release is not ready; the one before serves again, and is what new workers take.
        """
        now = self.standing()
        with tempfile.TemporaryDirectory() as scratch:
            packed = release.pack(Path(scratch), self.cloud.lang)
            if packed.n_uncommitted:
                tell(tr("uncommitted", self.cloud.lang, n=packed.n_uncommitted))
            if dry_run:
                tell(tr("would_update", self.cloud.lang, old=now.release, new=packed.name))
                return packed.name
            tell(tr("release", self.cloud.lang, name=packed.name, mb=f"{packed.n_bytes / 1e6:.1f}"))
            release.upload(self.cloud, packed, now.bucket)
        self.run(f"bash {CURRENT}/ec2/fetch.sh {packed.name}", timeout_s=3000)
        self.set_parameter("release", packed.name)
        if now.n_workers:
            self._set_workers(0)
            self._set_workers(now.n_workers)
        return packed.name

    def down(self, tell: Tell, *, with_bucket: bool = False) -> None:
        """Remove the lab, and with `with_bucket` its backups too; again where that was cut short."""
        account = self.cloud.account()
        stacks.delete(self.cloud, self.stack, tell)
        for name in self._parameters():
            self.cloud.call("ssm", "delete_parameter", Name=name)
        if with_bucket:
            stacks.delete(self.cloud, self.bucket_stack, tell)
            self._remove_bucket(self.bucket(account))

    def parts(self) -> list[tuple[str, str]]:
        """Return what `down` removes: kind and id of each part."""
        found = stacks.remaining(self.cloud, self.stack)
        return found + [("AWS::SSM::Parameter", name) for name in self._parameters()]

    def parameter(self, name: str) -> str | None:
        """Return what the lab keeps under a name in Systems Manager, None where there is nothing."""
        try:
            found = self.cloud.call("ssm", "get_parameter", Name=f"/labkit/{self.name}/{name}", WithDecryption=True)
        except Absent:
            return None
        return str(found["Parameter"]["Value"])

    def set_parameter(self, name: str, value: str) -> None:
        """Keep something that is no secret under a name in Systems Manager."""
        self.cloud.call(
            "ssm", "put_parameter", Name=f"/labkit/{self.name}/{name}", Value=value, Type="String", Overwrite=True
        )

    def _found(self) -> dict[str, Any]:
        found = stacks.find(self.cloud, self.stack)
        if found is None:
            raise InvalidArgument(tr("no_lab", self.cloud.lang, name=self.name, region=self.cloud.region))
        if found["StackStatus"] in stacks.BROKEN or "Head" not in stacks.outputs(found):
            raise CloudError(tr("half_made", self.cloud.lang, stack=self.stack, status=found["StackStatus"]))
        return found

    def _check_whole(self) -> None:
        for name in (self.bucket_stack, self.stack):
            found = stacks.find(self.cloud, name)
            if found is not None and found["StackStatus"] in stacks.BROKEN:
                raise CloudError(tr("half_made", self.cloud.lang, stack=name, status=found["StackStatus"]))

    def _make_bucket(self, bucket: str, tell: Tell) -> None:
        """Make the bucket's stack; a bucket that an earlier lab of this name left is taken over as it is."""
        if stacks.find(self.cloud, self.bucket_stack) is None and self._has_bucket(bucket):
            tell(tr("bucket_kept", self.cloud.lang, bucket=bucket))
            return
        template = (HERE / "bucket.yaml").read_text("utf-8")
        stacks.create(self.cloud, self.bucket_stack, template, {"LabName": self.name}, tell)

    def _has_bucket(self, bucket: str) -> bool:
        try:
            self.cloud.call("s3", "head_bucket", Bucket=bucket)
        except Absent:
            return False
        return True

    def _remove_bucket(self, bucket: str) -> None:
        if not self._has_bucket(bucket):
            return
        for key in ("Versions", "DeleteMarkers"):
            found = self.cloud.pages("s3", "list_object_versions", key, Bucket=bucket)
            for first in range(0, len(found), 1000):
                gone = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in found[first : first + 1000]]
                self.cloud.call("s3", "delete_objects", Bucket=bucket, Delete={"Objects": gone, "Quiet": True})
        self.cloud.call("s3", "delete_bucket", Bucket=bucket)

    def _parameters(self) -> list[str]:
        found = self.cloud.pages("ssm", "get_parameters_by_path", "Parameters", Path=f"/labkit/{self.name}/")
        return [each["Name"] for each in found]

    def _instance(self, key: str) -> Mapping[str, Any]:
        found = self.cloud.call("ec2", "describe_instances", InstanceIds=[key])["Reservations"]
        instance: Mapping[str, Any] = found[0]["Instances"][0]
        return instance

    def _pool(self, name: str) -> Mapping[str, Any]:
        found = self.cloud.call("autoscaling", "describe_auto_scaling_groups", AutoScalingGroupNames=[name])
        if not found["AutoScalingGroups"]:
            raise CloudError(tr("half_made", self.cloud.lang, stack=self.stack, status=name))
        pool: Mapping[str, Any] = found["AutoScalingGroups"][0]
        return pool

    def _set_workers(self, n_workers: int) -> None:
        name = stacks.outputs(self._found())["WorkerPool"]
        self.cloud.call("autoscaling", "set_desired_capacity", AutoScalingGroupName=name, DesiredCapacity=n_workers)
