"""Calls the API of Postern, and signs download tokens. Only Signer needs a package: PyJWT."""

from .client import Postern as Postern, PosternError as PosternError
from .signer import Signer as Signer
from .types import IssuedToken as IssuedToken, Revoked as Revoked, SignedToken as SignedToken
from .types import SignRequest as SignRequest, State as State, TokenRequest as TokenRequest
