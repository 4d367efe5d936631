"""Webhooks: what was delivered of a job's end, and the secrets that it is signed with."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from api.answers import Answer, refusals, shown
from api.deps import App, Caller
from api.ids import DeliveryId, JobId, SecretId
from api.paging import Cursor, Limit
from api.views import delivery_view, secret_view
from api.webhook_schemas import DeliveryList, DeliveryView, NewWebhookSecretView, WebhookSecretList

router = APIRouter(tags=["webhooks"])


@router.get(
    "/jobs/{job_id}/deliveries",
    operation_id="list_deliveries",
    summary="The webhooks of a job, newest first",
    response_model=DeliveryList,
    responses=refusals(404, 422),
)
async def list_deliveries(
    job_id: JobId, parts: App, caller: Caller, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """What was sent, how often, what was answered, and when it is sent again."""
    found, following = await parts.store.deliveries.list(caller.owner_id, job_id, limit=limit, cursor=cursor)
    return shown(DeliveryList(deliveries=[delivery_view(one) for one in found], next_cursor=following))


@router.post(
    "/jobs/{job_id}/deliveries/{delivery_id}/redeliver",
    operation_id="redeliver",
    summary="Send a webhook again",
    status_code=202,
    response_model=DeliveryView,
    responses=refusals(404, 410, 422),
)
async def redeliver(job_id: JobId, delivery_id: DeliveryId, parts: App, caller: Caller) -> Response:
    """It is due at once, under the same id, and tried for a day. 410 once the job's results are gone."""
    again = await parts.store.deliveries.redeliver(caller.owner_id, job_id, delivery_id)
    return Answer.of(delivery_view(again), 202).response()


@router.get(
    "/webhooks/secrets",
    operation_id="list_webhook_secrets",
    summary="What webhooks are signed with",
    response_model=WebhookSecretList,
    responses=refusals(422),
)
async def list_webhook_secrets(parts: App, caller: Caller, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """Ids and times; never the secrets themselves."""
    found, following = await parts.store.webhook_secrets.list(caller.owner_id, limit=limit, cursor=cursor)
    return shown(WebhookSecretList(secrets=[secret_view(one) for one in found], next_cursor=following))


@router.post(
    "/webhooks/secrets",
    operation_id="rotate_webhook_secret",
    summary="Make a new signing secret",
    status_code=201,
    response_model=NewWebhookSecretView,
    responses=refusals(),
)
async def rotate_webhook_secret(parts: App, caller: Caller) -> Response:
    """It is shown this once. The newest four before it go on signing beside it for a while (24 hours by default)."""
    overlap = parts.settings.webhook_secret_overlap_seconds
    made, secret = await parts.store.webhook_secrets.make(caller.owner_id, overlap)
    return Answer.of(NewWebhookSecretView(**secret_view(made).model_dump(), secret=secret), 201).response()


@router.delete(
    "/webhooks/secrets/{secret_id}",
    operation_id="revoke_webhook_secret",
    summary="Sign nothing more with a secret",
    status_code=204,
    responses=refusals(404, 422),
)
async def revoke_webhook_secret(secret_id: SecretId, parts: App, caller: Caller) -> Response:
    """From now on. Again: nothing."""
    await parts.store.webhook_secrets.revoke(caller.owner_id, secret_id)
    return Response(status_code=204)
