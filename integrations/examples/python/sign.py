# Signs a download token with postern_downloads and PyJWT (on Debian python3-jwt and python3-cryptography).
from postern_downloads import Signer

signer = Signer("shop-private.json", issuer="https://shop.example", audience="https://files.example")
token = signer.sign(path="/download/shop/film.mp4", expires_in=120, max_uses=1, resume_for=3600)

print(token["access_token"])
