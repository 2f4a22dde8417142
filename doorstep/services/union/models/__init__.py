"""What the union's room keeps, by subject."""

from doorstep.services.union.models.membership import (
    Belonging,
    Committee,
    Founding,
    Membership,
    Merchant,
    Occupation,
    Post,
    Transfer,
    UploadedList,
)

__all__ = [
    "Belonging",
    "Committee",
    "Founding",
    "Membership",
    "Merchant",
    "Occupation",
    "Post",
    "Transfer",
    "UploadedList",
]
