"""What `up` is asked for, and whether it makes sense: told before anything is made."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from typing import Any

from ec2.cloud import Cloud
from ec2.text import tr
from labkit.errors import InvalidArgument, NotEnoughDisk, NotEnoughResources

NAME = re.compile(r"[a-z][a-z0-9-]{1,19}")
DOMAIN = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,}")
SMALLEST_GIB = 20  # system, packages and flights take some 9
MOST_WORKERS = 64
_ANYWHERE = "0.0.0.0/0"
_UBUNTU = "099720109477"  # Canonical's account
_IMAGE = "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-{}-server-*"
_VCPUS = ("ec2", "L-1216C47A")  # running on-demand standard instances (A, C, D, H, I, M, R, T, Z), in vCPUs


@dataclasses.dataclass(frozen=True)
class Wishes:
    """What a lab shall be.

    Parameters
    ----------
    name : str
        Its name, of 2 to 20 characters.
    cidr : str
        IPv4 addresses that may reach port 443, such as "203.0.113.7/32".
    instance_type, worker_type : str
    n_workers : int
        Workers at the start.
    disk_gib : int
        Of each instance.
    credits : {"standard", "unlimited"}
        How burstable types burst.
    domain, email : str
        A name that leads to the head, and whom Let's Encrypt may write to; empty for a certificate of its own.
    image : str or None
        The image to start from; the newest Ubuntu 24.04 by default.
    vpc, subnet : str
        Where to put it; empty for a network of its own.
    """

    name: str
    cidr: str
    instance_type: str = "t3.large"
    worker_type: str = "t3.large"
    n_workers: int = 0
    disk_gib: int = 30
    credits: str = "standard"
    domain: str = ""
    email: str = ""
    image: str | None = None
    vpc: str = ""
    subnet: str = ""

    def check(self, lang: str) -> None:
        """Report the first thing that makes no sense; nobody is asked for that.

        Raises
        ------
        InvalidArgument, NotEnoughDisk
        """
        check_name(self.name, lang)
        _check_cidr(self.cidr, lang)
        check_workers(self.n_workers, lang)
        if self.disk_gib < SMALLEST_GIB:
            raise NotEnoughDisk(tr("small_disk", lang, asked=self.disk_gib, needed=SMALLEST_GIB))
        if self.credits not in ("standard", "unlimited"):
            raise InvalidArgument(tr("wrong_credits", lang, asked=self.credits))
        if bool(self.vpc) != bool(self.subnet):
            raise InvalidArgument(tr("half_vpc", lang))
        if self.domain and not DOMAIN.fullmatch(self.domain):
            raise InvalidArgument(tr("wrong_domain", lang, asked=self.domain))
        if self.domain and ("@" not in self.email or re.search(r"[\s'\"$`\\]", self.email)):
            raise InvalidArgument(tr("no_email", lang))
        if self.domain and self.cidr != _ANYWHERE:
            raise InvalidArgument(tr("domain_cidr", lang, cidr=self.cidr))


def check_name(name: str, lang: str) -> None:
    """Make sure that a lab can have that name."""
    if not NAME.fullmatch(name):
        raise InvalidArgument(tr("wrong_name", lang, asked=name))


def check_workers(n_workers: int, lang: str) -> None:
    """Make sure that a number of workers makes sense."""
    if not 0 <= n_workers <= MOST_WORKERS:
        raise InvalidArgument(tr("wrong_workers", lang, asked=n_workers, most=MOST_WORKERS))


def _check_cidr(cidr: str, lang: str) -> None:
    try:
        network = ipaddress.IPv4Network(cidr)
    except ValueError as fault:
        raise InvalidArgument(tr("wrong_cidr", lang, asked=cidr, said=fault)) from fault
    if "/" not in cidr:
        raise InvalidArgument(tr("wrong_cidr", lang, asked=cidr, said=f"{network}?"))


def fit(cloud: Cloud, wishes: Wishes) -> dict[str, str]:
    """Look up the image and the types, make sure that they fit each other and the quota; return template parameters.

    Raises
    ------
    InvalidArgument
        If a type is not offered in the region, or the image is of another architecture.
    NotEnoughDisk
        If the image does not fit on the disk.
    NotEnoughResources
        If the account's quota of vCPUs cannot hold them.
    """
    kinds = {name: instance_type(cloud, name) for name in {wishes.instance_type, wishes.worker_type}}
    head = kinds[wishes.instance_type]
    image = _image(cloud, wishes.image, head["ProcessorInfo"]["SupportedArchitectures"])
    for name, kind in kinds.items():
        offered = kind["ProcessorInfo"]["SupportedArchitectures"]
        if image["Architecture"] not in offered:
            raise InvalidArgument(
                tr("architecture", cloud.lang, image=image["ImageId"], theirs=image["Architecture"], type=name,
                   ours=", ".join(offered))
            )  # fmt: skip
    sizes = [each.get("Ebs", {}).get("VolumeSize", 0) for each in image.get("BlockDeviceMappings", [])]
    if max(sizes, default=0) > wishes.disk_gib:
        raise NotEnoughDisk(
            tr("image_disk", cloud.lang, image=image["ImageId"], needed=max(sizes), asked=wishes.disk_gib)
        )
    wanted = {wishes.worker_type: wishes.n_workers}
    wanted[wishes.instance_type] = wanted.get(wishes.instance_type, 0) + 1
    check_quota(cloud, wanted, kinds)
    return {
        "LabName": wishes.name, "ImageId": image["ImageId"], "InstanceType": wishes.instance_type,
        "WorkerType": wishes.worker_type, "Workers": str(wishes.n_workers), "DiskGiB": str(wishes.disk_gib),
        "WebCidr": wishes.cidr, "CpuCredits": wishes.credits,
        "Burstable": str(bool(head["BurstablePerformanceSupported"])).lower(),
        "WorkerBurstable": str(bool(kinds[wishes.worker_type]["BurstablePerformanceSupported"])).lower(),
        "DomainName": wishes.domain, "Email": wishes.email, "VpcId": wishes.vpc, "SubnetId": wishes.subnet,
        "Lang": cloud.lang,
    }  # fmt: skip


def instance_type(cloud: Cloud, name: str) -> dict[str, Any]:
    """Return what AWS says of an instance type: vCPUs, architectures, whether it bursts.

    Raises
    ------
    InvalidArgument
        If it is not offered in the region.
    """
    offered = cloud.call(
        "ec2", "describe_instance_type_offerings", Filters=[{"Name": "instance-type", "Values": [name]}]
    )["InstanceTypeOfferings"]
    if not offered:
        raise InvalidArgument(tr("no_type", cloud.lang, type=name, region=cloud.region))
    kind: dict[str, Any] = cloud.call("ec2", "describe_instance_types", InstanceTypes=[name])["InstanceTypes"][0]
    return kind


def check_quota(cloud: Cloud, wanted: dict[str, int], kinds: dict[str, dict[str, Any]] | None = None) -> None:
    """Make sure that the account's quota of vCPUs holds so many instances more than run now.

    Raises
    ------
    NotEnoughResources
        If it does not. An account that may not ask for its quota is not kept from trying.
    """
    from labkit.errors import LabError

    kinds = kinds or {}
    n_vcpus = sum(
        n * (kinds.get(name) or instance_type(cloud, name))["VCpuInfo"]["DefaultVCpus"]
        for name, n in wanted.items() if n > 0
    )  # fmt: skip
    try:
        service, code = _VCPUS
        quota = cloud.call("service-quotas", "get_service_quota", ServiceCode=service, QuotaCode=code)["Quota"]["Value"]
    except LabError:  # the right to ask is no right that a lab needs; AWS tells at the latest when it starts them
        return
    running = cloud.pages(
        "ec2", "describe_instances", "Reservations",
        Filters=[{"Name": "instance-state-name", "Values": ["running", "pending"]}],
    )  # fmt: skip
    used = sum(
        each.get("CpuOptions", {}).get("CoreCount", 0) * each.get("CpuOptions", {}).get("ThreadsPerCore", 1)
        for reservation in running for each in reservation["Instances"]
    )  # fmt: skip
    if used + n_vcpus > quota:
        raise NotEnoughResources(
            tr("vcpus", cloud.lang, needed=n_vcpus, used=used, quota=f"{quota:g}", region=cloud.region, code=_VCPUS[1])
        )


def _image(cloud: Cloud, image: str | None, architectures: list[str]) -> dict[str, Any]:
    """Return an image by its id, or the newest Ubuntu 24.04 for an architecture."""
    if image is not None:
        found = cloud.call("ec2", "describe_images", ImageIds=[image])["Images"]
    else:
        names = {"x86_64": "amd64", "arm64": "arm64"}
        patterns = [_IMAGE.format(names[each]) for each in architectures if each in names]
        found = cloud.call(
            "ec2", "describe_images", Owners=[_UBUNTU],
            Filters=[{"Name": "name", "Values": patterns}, {"Name": "state", "Values": ["available"]}],
        )["Images"]  # fmt: skip
    if not found:
        raise InvalidArgument(tr("no_image", cloud.lang, region=cloud.region, said=image or "Ubuntu 24.04"))
    newest: dict[str, Any] = max(found, key=lambda each: each.get("CreationDate", ""))
    return newest
