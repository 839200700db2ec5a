"""Calls of AWS, in one region; a fault becomes one message that says what to do."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from ec2.text import tr
from labkit.errors import InvalidArgument, LabError, NotEnoughResources

CONNECT_S, READ_S, N_ATTEMPTS = 3.0, 20.0, 2
FIRST_READ_S = 4.0  # of the first call, which tells whether anybody is there
SKEW_S = 300.0  # from which on AWS refuses a signature

_CREDENTIALS = {"InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure", "InvalidAccessKeyId"}
_EXPIRED = {"ExpiredToken", "ExpiredTokenException"}
_CLOCK = {"RequestTimeTooSkewed", "RequestExpired", "SignatureDoesNotMatch", "InvalidSignatureException"}
_RIGHTS = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"}
_QUOTA = re.compile(r"LimitExceeded|QuotaExceeded|TooManyBuckets|MaxSpotInstance|InsufficientInstanceCapacity")
_TAKEN = {"BucketAlreadyExists", "BucketAlreadyOwnedByYou", "AlreadyExistsException"}


class CloudError(LabError, ConnectionError):
    """AWS that does not answer, or refuses."""

    exit_status = 5


class Absent(CloudError):
    """What was asked for is not there."""


class Cloud:
    """The calls of one account in one region.

    Parameters
    ----------
    region : str or None
        Such as "eu-west-1"; without it the one of AWS's own settings (`AWS_DEFAULT_REGION`, the profile).
    lang : {"en", "es"}
        The language of what goes wrong.

    Raises
    ------
    InvalidArgument
        If no region is known, or there is no such one.
    """

    def __init__(self, region: str | None, lang: str) -> None:
        try:
            self._session = new_session()
        except ImportError as fault:
            raise CloudError(tr("no_botocore", lang)) from fault
        self.lang = lang
        self._clients: dict[tuple[str, float], Any] = {}
        with self._explained("profile"):
            asked = region or self._session.get_config_variable("region")
            known = self._session.get_available_regions("ec2")
        if not asked:
            raise InvalidArgument(tr("no_region", lang))
        if asked not in known:
            raise InvalidArgument(tr("wrong_region", lang, region=asked, known=", ".join(sorted(known)[:40])))
        self.region: str = asked

    def call(self, service: str, operation: str, *, read_s: float = READ_S, **arguments: Any) -> dict[str, Any]:
        """Call an operation, such as `call("ec2", "describe_images", ImageIds=[…])`, and return its answer.

        Raises
        ------
        CloudError
            If AWS does not answer or refuses; `Absent` if what was asked for is not there.
        InvalidArgument
            If credentials, region or a name are wrong.
        NotEnoughResources
            If a quota is used up.
        """
        with self._explained(f"{service}:{operation}"):
            answer: dict[str, Any] = getattr(self._client(service, read_s), operation)(**arguments)
        return answer

    def pages(self, service: str, operation: str, key: str, **arguments: Any) -> list[Any]:
        """Return what all pages of an operation hold under a key."""
        with self._explained(f"{service}:{operation}"):
            pages = self._client(service, READ_S).get_paginator(operation).paginate(**arguments)
            return [each for page in pages for each in page.get(key, [])]

    def account(self) -> str:
        """Return the account's number; nothing else shows so soon that credentials, network and clock are right."""
        return str(self.call("sts", "get_caller_identity", read_s=FIRST_READ_S)["Account"])

    def _client(self, service: str, read_s: float) -> Any:
        from botocore.config import Config

        key = (service, read_s)
        if key not in self._clients:
            config = Config(
                connect_timeout=CONNECT_S, read_timeout=read_s,
                retries={"mode": "standard", "total_max_attempts": N_ATTEMPTS},
            )  # fmt: skip
            self._clients[key] = self._session.create_client(service, region_name=self.region, config=config)
        return self._clients[key]

    @contextlib.contextmanager
    def _explained(self, operation: str) -> Iterator[None]:
        import botocore.exceptions as known

        try:
            yield
        except (known.NoCredentialsError, known.PartialCredentialsError, known.CredentialRetrievalError) as fault:
            raise InvalidArgument(tr("no_credentials", self.lang)) from fault
        except known.ProfileNotFound as fault:
            raise InvalidArgument(tr("no_profile", self.lang, said=fault)) from fault
        except (known.HTTPClientError, known.ConnectionError) as fault:
            where = re.sub(r"https?://|[/?].*", "", str(getattr(fault, "kwargs", {}).get("endpoint_url", "AWS")))
            raise CloudError(tr("no_network", self.lang, where=where or "AWS")) from fault
        except known.ClientError as fault:
            raise self._refused(operation, fault.response) from fault
        except known.BotoCoreError as fault:
            raise CloudError(tr("refused", self.lang, operation=operation, code="", said=fault)) from fault

    def _refused(self, operation: str, response: dict[str, Any]) -> LabError:
        code, said = str(response["Error"].get("Code", "")), str(response["Error"].get("Message", ""))
        if code in _CLOCK or "Signature expired" in said or "not yet current" in said:
            off_s = _clock_off_s(response)
            if off_s is not None and abs(off_s) > SKEW_S:
                return CloudError(tr("clock", self.lang, minutes=f"{abs(off_s) / 60:.0f}"))
            if code != "SignatureDoesNotMatch" or "expired" in said or "not yet current" in said:
                return CloudError(tr("clock_unknown", self.lang))
            return InvalidArgument(tr("wrong_credentials", self.lang, code=code))
        if code in _CREDENTIALS:
            return InvalidArgument(tr("wrong_credentials", self.lang, code=code))
        if code in _EXPIRED:
            return InvalidArgument(tr("expired", self.lang))
        if code == "OptInRequired":
            return InvalidArgument(tr("region_off", self.lang, region=self.region))
        if code in _RIGHTS:
            return CloudError(tr("rights", self.lang, operation=operation, said=said))
        if _QUOTA.search(code):
            return NotEnoughResources(tr("quota", self.lang, said=said))
        if code in _TAKEN:
            return InvalidArgument(tr("taken", self.lang, said=said))
        if code.startswith("InvalidAMIID"):
            return InvalidArgument(tr("no_image", self.lang, region=self.region, said=said))
        kind = Absent if _is_absent(code, said) else CloudError
        return kind(tr("refused", self.lang, operation=operation, code=code, said=said))


def new_session() -> Any:
    """Return AWS's own settings: environment, profile, credentials."""
    import botocore.session

    return botocore.session.get_session()


def _is_absent(code: str, said: str) -> bool:
    return code in ("404", "NoSuchKey", "NoSuchBucket", "ParameterNotFound", "InvalidInstanceID.NotFound",
                    "NoSuchResourceException") or (code == "ValidationError" and "does not exist" in said)  # fmt: skip


def _clock_off_s(response: dict[str, Any]) -> float | None:
    """Return by how many seconds this machine's clock is ahead of AWS's, by the date of its answer."""
    date = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    try:
        return (datetime.now(UTC) - parsedate_to_datetime(date)).total_seconds() if date else None
    except ValueError:
        return None
