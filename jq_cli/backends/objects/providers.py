"""Buckets of the providers as obstore knows them. Credentials come from where the provider's own tools look for them: the
environment, web identity, container and instance metadata; nothing of them is in a URL."""

import json
import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, S3Store

from jq_cli.errors import BackendError, UsageError

REQUEST = timedelta(seconds=10)
"""For how long one request may take; the largest carry 8 MiB."""

Options = dict[str, str]


def s3_bucket(bucket: str, options: Options) -> Any:
    """A bucket of S3, or of whatever speaks its protocol at `endpoint`."""
    config: Options = {name: options[name] for name in ("endpoint", "region") if name in options}
    if "endpoint" in config:
        config.setdefault("region", os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1")
    provider = _profile(options.get("profile") or os.environ.get("AWS_PROFILE", ""))
    return _made(S3Store, bucket, options, config, **({} if provider is None else {"credential_provider": provider}))


def gcs_bucket(bucket: str, options: Options) -> Any:
    """A bucket of Google Cloud Storage, or of an emulator at `endpoint`, to which no credentials are sent."""
    if "endpoint" not in options:
        return _made(GCSStore, bucket, options, {})
    # obstore takes the address of a server from a service account's key, and from nowhere else.
    nobody = {"client_email": "", "private_key": "", "private_key_id": "", "disable_oauth": True}
    key = json.dumps({**nobody, "gcs_base_url": options["endpoint"]})
    return _made(GCSStore, bucket, options, {"service_account_key": key})


def azure_container(container: str, options: Options) -> Any:
    """A container of Azure Blob Storage."""
    named = {"account": "account_name", "endpoint": "endpoint"}
    return _made(AzureStore, container, options, {named[name]: value for name, value in options.items()})


PROVIDERS: dict[str, Callable[[str, Options], Any]] = {"s3": s3_bucket, "gs": gcs_bucket, "az": azure_container}


def _made(kind: Any, bucket: str, options: Options, config: Options, **more: Any) -> Any:
    plain = options.get("endpoint", "").startswith("http://")
    client = {"timeout": REQUEST, "connect_timeout": timedelta(seconds=2), "allow_http": plain}
    # What is sent again, and when, is decided in one place: by the store that asks.
    retries = {"max_retries": 0, "retry_timeout": timedelta(seconds=1)}
    try:
        return kind(bucket, config=config, client_options=client, retry_config=retries, **more)
    except BaseError as error:
        raise BackendError(f"{bucket}: {' '.join(str(error).partition('Debug source')[0].split())[:300]}") from error


def _profile(name: str) -> Any:
    if not name:
        return None
    try:
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError as error:
        raise UsageError(f"the AWS profile {name!r} needs boto3: pip install boto3") from error
    import boto3

    return Boto3CredentialProvider(boto3.Session(profile_name=name))
