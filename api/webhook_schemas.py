"""What the API answers about webhooks: their deliveries, and what they are signed with."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from api.schemas import EXAMPLE_ID, EXAMPLE_MOMENT, Shape


class DeliveryView(Shape):
    """A webhook: what was tried, and what is to come."""

    id: str = Field(description="Its `webhook-id`, the same at every try.", examples=["msg_0193a1b2c3d47e6f8091"])
    event: str = Field(description="Which end of the job it tells.", examples=["completed"])
    url: str | None = Field(
        description="Where it goes, without its query; null once the job's results are gone.",
        examples=["https://example.com/hook"],
    )
    status: Literal["due", "delivered", "failed", "cancelled"] = Field(description="`due` while it is still tried.")
    tries: int = Field(description="How often it was sent.", examples=[1])
    last_status: int | None = Field(description="The HTTP status of the last answer.", examples=[200])
    last_error: str | None = Field(description="Why the last try failed.", examples=[None])
    created_at: datetime = Field(description="When the job ended.", examples=[EXAMPLE_MOMENT])
    next_try_at: datetime | None = Field(description="When it is sent next.", examples=[None])
    delivered_at: datetime | None = Field(description="When the other side took it.", examples=[EXAMPLE_MOMENT])


class DeliveryList(Shape):
    """A page of deliveries."""

    deliveries: list[DeliveryView] = Field(description="The newest first.")
    next_cursor: str | None = Field(description="For the next page; null on the last.")


class WebhookSecretView(Shape):
    """What webhooks are signed with, without itself."""

    secret_id: str = Field(description="Opaque id.", examples=[EXAMPLE_ID])
    created_at: datetime = Field(description="When it was made.", examples=[EXAMPLE_MOMENT])
    retires_at: datetime | None = Field(description="It signs until then; null: until it is replaced.", examples=[None])
    revoked_at: datetime | None = Field(description="Since when it signs nothing.", examples=[None])


class NewWebhookSecretView(WebhookSecretView):
    """A new one. It is shown this once."""

    secret: str = Field(description="Give it to what receives the webhooks.", examples=["whsec_..."])


class WebhookSecretList(Shape):
    """A page of signing secrets."""

    secrets: list[WebhookSecretView] = Field(description="The oldest first.")
    next_cursor: str | None = Field(description="For the next page; null on the last.")
