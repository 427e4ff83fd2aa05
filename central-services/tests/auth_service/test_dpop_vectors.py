"""The proofs that RFC 9449 prints."""

from __future__ import annotations

import pytest

from central_services.auth_service.oauth.dpop import InvalidProofError, read_proof, token_hash

# RFC 9449: figures 2 and 12, the thumbprint of figure 9, and the access token of figure 12.
FIGURE_2 = (
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNo"
    "UklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERW"
    "clUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0"
    "dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-"
    "FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
)
FIGURE_12 = (
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNo"
    "UklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERW"
    "clUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1"
    "IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwi"
    "YXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey7"
    "1EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
)
THUMBPRINT = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
ACCESS_TOKEN = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
RFC_TOKEN_URL = "https://server.example.com/token"


def test_proofs_of_the_rfc_hold() -> None:
    first = read_proof(FIGURE_2, method="POST", url=RFC_TOKEN_URL)
    assert (first.jkt, first.jti, first.issued_at) == (THUMBPRINT, "-BwC3ESc6acc2lTc", 1562262616)
    url = "https://resource.example.org/protectedresource"
    second = read_proof(FIGURE_12, method="GET", url=url)
    assert second.jkt == THUMBPRINT
    assert second.token_hash == token_hash(ACCESS_TOKEN)


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("GET", RFC_TOKEN_URL),
        ("post", RFC_TOKEN_URL),
        ("POST", "https://server.example.com/token2"),
        ("POST", "http://server.example.com/token"),
        ("POST", "https://server.example.com:8443/token"),
        ("POST", "https://server.example.com.evil.example/token"),
    ],
)
def test_proof_of_the_rfc_is_for_one_request(method: str, url: str) -> None:
    with pytest.raises(InvalidProofError):
        read_proof(FIGURE_2, method=method, url=url)


@pytest.mark.parametrize(
    "url",
    ["https://SERVER.example.com:443/token", "https://server.example.com/token?a=b#c"],
)
def test_url_of_a_proof_is_compared_without_query_and_default_port(url: str) -> None:
    assert read_proof(FIGURE_2, method="POST", url=url).jkt == THUMBPRINT
