# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The currencies of ISO 4217: list one as published on 2026-01-01, and what left it since 1999.

List one is the standard's own table (SIX Financial Information, the maintenance agency); a test of
the template holds these lines equal to it. CLDR, which babel ships, says how amounts are usually
shown, which is another thing: it gives the Iraqi dinar no decimals, the standard gives it three.
"""

PUBLISHED = "2026-01-01"

ACTIVE: dict[int, str] = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: (
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD"
        " CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP"
        " GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK"
        " LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO"
        " NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS"
        " SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST"
        " XAD XCD XCG YER ZAR ZMW ZWG"
    ),
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
"""Codes by the number of decimals of their minor unit."""

WITHOUT_MINOR_UNIT = {
    "XAG": "an ounce of silver",
    "XAU": "an ounce of gold",
    "XBA": "a bond unit (EURCO)",
    "XBB": "a bond unit (EMU-6)",
    "XBC": "a bond unit (EUA-9)",
    "XBD": "a bond unit (EUA-17)",
    "XDR": "a special drawing right",
    "XPD": "an ounce of palladium",
    "XPT": "an ounce of platinum",
    "XSU": "the sucre",
    "XTS": "reserved for tests",
    "XUA": "a unit of account of the African Development Bank",
    "XXX": "no currency at all",
}
"""Codes for which the standard gives no minor unit, and what they stand for."""

WITHDRAWN: dict[int, str] = {
    0: (
        "ADP:2001 BEF:2002 BYB:2000 BYR:2017 ESP:2002 GRD:2002 ITL:2002 LUF:2002 MGF:2004 PTE:2002"
        " TPE:2002 TRL:2005"
    ),
    2: (
        "AFA:2002 ANG:2025 ATS:2002 AZM:2006 BGL:1999 BGN:2026 CSD:2006 CUC:2021 CYP:2008 DEM:2002"
        " ECS:2000 EEK:2010 FIM:2002 FRF:2002 GHC:2007 HRK:2023 IEP:2002 LTL:2014 LVL:2013 MRO:2018"
        " MTL:2008 MZM:2006 NLG:2002 ROL:2006 SDD:2007 SIT:2007 SKK:2009 SLL:2023 SRG:2003 STD:2017"
        " TMM:2009 VEB:2008 VEF:2018 YUM:2002 ZMK:2013 ZWD:2008 ZWL:2024 ZWR:2009"
    ),
}
"""Withdrawn codes by the decimals they had, each with the year in which it ceased to be legal tender."""
