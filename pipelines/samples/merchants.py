"""The vocabulary of the synthetic bank transactions: invented merchants, payers and wordings by category.

None of the names is meant to be a real business. ``{name}`` stands for an invented proper name, ``{person}`` for a person.
"""

from __future__ import annotations

from typing import NamedTuple


class Category(NamedTuple):
    """``label``: the answer. ``merchants``: invented brands that recur. ``kinds``: trades that follow an invented name.
    ``amounts``: lowest and highest usual amount. ``confused``: what a teacher takes it for. ``outside``: answers outside
    the set that a teacher gives for it."""

    label: str
    merchants: tuple[str, ...]
    kinds: tuple[str, ...]
    amounts: tuple[float, float]
    confused: tuple[str, ...]
    outside: tuple[str, ...]


CATEGORIES = (
    Category(
        "Groceries",
        ("Fernhill Foods", "Oakbarn Market", "Daily Crate", "Penny Pantry", "Brightfield Fresh", "Larder & Co"),
        ("Supermarket", "Grocers", "Food Hall", "Greengrocer", "Butchers", "Farm Shop", "Mini Market", "Fishmonger"),
        (4, 140),
        ("Shopping", "Eating out"),
        ("Food", "Supermarket"),
    ),
    Category(
        "Eating out",
        ("Copper Spoon", "Noodle Yard", "Three Herons", "Slice Republic", "Bean & Bell", "Tandoor Lane"),
        ("Cafe", "Pizzeria", "Grill", "Sushi Bar", "Coffee", "Bistro", "Kebab House", "Burger Bar", "Ramen"),
        (3, 90),
        ("Groceries", "Entertainment"),
        ("Dining", "Restaurants"),
    ),
    Category(
        "Transport",
        ("Metrolink Pass", "Zipcab", "Valley Buses", "Kerbside Parking", "Pedalo Bikes", "Octane Plus"),
        ("Taxi", "Petrol", "Car Park", "Bus Tickets", "Rail Tickets", "Garage", "Tyre Service", "Fuel Stn"),
        (2, 85),
        ("Travel", "Shopping"),
        ("Commuting", "Petrol"),
    ),
    Category(
        "Travel",
        ("Skylark Airways", "Staywell Rooms", "Bluefin Ferries", "Wanderly", "Lakeview Lodge", "Jetpoint"),
        ("Hotel", "Airlines", "Guest House", "Travel Agency", "Hostel", "Car Hire", "Resort", "Camping"),
        (35, 900),
        ("Transport", "Entertainment"),
        ("Holidays", "Flights"),
    ),
    Category(
        "Shopping",
        ("Thread Society", "Volt Corner", "Homeroom", "Paper Lantern", "Bazaarly", "Solewell"),
        ("Clothing", "Shoes", "Electronics", "Furniture", "Books", "Toys", "Hardware", "Department Store", "Jewellers"),
        (6, 420),
        ("Entertainment", "Groceries"),
        ("Retail", "Clothing"),
    ),
    Category(
        "Utilities",
        ("Northgrid Energy", "Clearspring Water", "Hummer Broadband", "Lumen Electric", "Tellby Mobile", "Hearth Gas"),
        ("Electricity", "Water", "Broadband", "Gas Supply", "Mobile", "Waste Services", "Fibre Internet"),
        (12, 190),
        ("Housing", "Entertainment"),
        ("Bills", "Phone bill"),
    ),
    Category(
        "Housing",
        ("Rookwood Lettings", "Homestead Mortgage", "Parkside Estates", "City Council Tax", "Keystone Property"),
        ("Rent", "Mortgage", "Lettings", "Property Mgmt", "Ground Rent", "Home Insurance", "Estate Agents"),
        (60, 1450),
        ("Utilities", "Transfers"),
        ("Rent", "Home"),
    ),
    Category(
        "Health",
        ("Wellspring Pharmacy", "Brightsmile Dental", "Pulse Gym", "Clearview Optics", "Meadow Clinic"),
        ("Pharmacy", "Dental Care", "Opticians", "Physio", "Clinic", "Chemist", "Fitness Club", "Surgery"),
        (5, 260),
        ("Shopping", "Groceries"),
        ("Healthcare", "Medical"),
    ),
    Category(
        "Entertainment",
        ("Streambox", "Odeum Cinema", "Tuneloft Music", "Pixel Arcade", "Stagedoor Tickets", "Bowlarama"),
        ("Cinema", "Theatre", "Games", "Music Streaming", "Museum", "Concert Tickets", "Bowling", "Nightclub"),
        (4, 110),
        ("Shopping", "Eating out"),
        ("Leisure", "Subscriptions"),
    ),
    Category(
        "Income",
        ("Acme Payroll", "Ridgeway Ltd Salary", "Dept Of Revenue Refund", "State Pension", "Corvid Studios Wages"),
        ("Salary", "Payroll", "Wages", "Pension", "Dividend", "Tax Refund", "Expenses Refund"),
        (45, 3800),
        ("Transfers",),
        ("Salary", "Deposit"),
    ),
    Category(
        "Cash & fees",
        ("Cashpoint", "Overdraft Interest", "Card Replacement Fee", "Foreign Txn Fee", "Late Payment Charge"),
        ("ATM", "Cash Withdrawal", "Account Fee", "Bank Charge", "Atm Cash", "Interest Charge"),
        (1, 300),
        ("Transfers", "Housing"),
        ("Bank fees", "ATM"),
    ),
    Category(
        "Transfers",
        ("To Savings Pot", "Standing Order Savings", "Own Account Transfer", "Payfriend", "Round Up Pot"),
        ("Tfr To {person}", "Tfr From {person}", "Sent To {person}", "Savings Transfer", "Split Bill {person}"),
        (5, 800),
        ("Income", "Cash & fees"),
        ("Savings", "Payment"),
    ),
)

NAMES = (
    "Ashby", "Bramley", "Calder", "Denholm", "Elmswood", "Foxley", "Garnet", "Hollis", "Ivybridge", "Juniper", "Kestrel",
    "Linden", "Marlow", "Nettle", "Orchard", "Pemberton", "Quince", "Rowan", "Sorrel", "Tamar", "Upton", "Verity",
    "Willow", "Yarrow", "Zephyr", "Harbour", "Millstone", "Old Town", "Station", "Riverside",
)  # fmt: skip

PEOPLE = ("J Okafor", "M Lindqvist", "A Rahman", "S Petrova", "T Moreau", "L Castro", "K Novak", "D Owusu", "R Hale")

CITIES = ("LDS", "MCR", "BRS", "EDI", "GLA", "YRK", "NCL", "CDF", "BHM", "LPL", "Leeds", "Bristol", "York")

UNCLEAR = (
    ("{name} Services", "Transport", (35, 80), "Eating out", (3, 14)),
    ("{name} Garden Centre Cafe", "Eating out", (4, 20), "Shopping", (30, 90)),
    ("{name} Store & Pharmacy", "Groceries", (22, 70), "Health", (4, 15)),
    ("{name} Hotel Bar", "Eating out", (6, 40), "Travel", (85, 260)),
    ("{name} Bookshop Coffee", "Eating out", (3, 9), "Shopping", (14, 50)),
    ("{name} Station Kiosk", "Groceries", (2, 9), "Transport", (18, 60)),
)
"""Wordings that fit two categories; the amount decides. ``(wording, category, amounts, other category, its amounts)``."""
