//! The products of the demo shop, twelve for each seller.

use super::Product;

pub(crate) const PRODUCTS: &[Product] = &[
    Product {
        seller: 0,
        category: "Coffee & Tea",
        brand: "Nordhavn",
        item: "Pour-over dripper 02",
        attributes: &[("material", "stoneware"), ("colour", "chalk")],
        title: "Nordhavn pour-over dripper, stoneware",
        description: "\
            A heavy stoneware cone for two to four cups. Spiral ribs keep the paper off the wall, so the \
            water runs evenly. Dishwasher safe.",
        price: 2900,
        stock: 80,
    },
    Product {
        seller: 0,
        category: "Coffee & Tea",
        brand: "Nordhavn",
        item: "Paper filters 02",
        attributes: &[("pieces", "100")],
        title: "Paper filters 02, box of 100",
        description: "\
            Unbleached filters for cone drippers of size 02. They fold flat and leave no taste of paper \
            after one rinse.",
        price: 690,
        stock: 400,
    },
    Product {
        seller: 0,
        category: "Coffee & Tea",
        brand: "Mirador",
        item: "Gooseneck kettle 0.9 l",
        attributes: &[("capacity", "0.9 l"), ("colour", "matt black")],
        title: "Mirador gooseneck kettle, 0.9 litres",
        description: "\
            A slow, steady pour from a narrow spout. Works on gas and induction; the handle stays cool. \
            Thermometer in the lid.",
        price: 6400,
        stock: 35,
    },
    Product {
        seller: 0,
        category: "Coffee & Tea",
        brand: "Mirador",
        item: "Hand grinder",
        attributes: &[("burr", "steel, 48 mm")],
        title: "Mirador hand grinder with steel burrs",
        description: "\
            Forty clicks from espresso to French press. Holds 30 g of beans and comes apart for cleaning \
            without a tool.",
        price: 8900,
        stock: 24,
    },
    Product {
        seller: 0,
        category: "Coffee & Tea",
        brand: "Kiln Street",
        item: "Teapot 0.7 l",
        attributes: &[("capacity", "0.7 l"), ("colour", "celadon")],
        title: "Kiln Street teapot with a steel sieve",
        description: "\
            Thrown by hand and glazed in celadon, so no two are quite the same green. The sieve lifts \
            out when the tea is done.",
        price: 4800,
        stock: 18,
    },
    Product {
        seller: 0,
        category: "Coffee & Tea",
        brand: "Kiln Street",
        item: "Cup 0.2 l, set of two",
        attributes: &[("capacity", "0.2 l"), ("pieces", "2")],
        title: "Two cups without handles, celadon",
        description: "\
            Thick walls that keep your hands cool and the tea warm. They stack, and they match the Kiln \
            Street teapot.",
        price: 2600,
        stock: 60,
    },
    Product {
        seller: 0,
        category: "Kitchen",
        brand: "Tessel & Sons",
        item: "Chef's knife 20 cm",
        attributes: &[("blade", "20 cm"), ("steel", "X50CrMoV15")],
        title: "Tessel & Sons chef's knife, 20 cm",
        description: "\
            Forged in one piece, with a full tang and a walnut handle. Takes a fine edge and keeps it \
            through a week of onions.",
        price: 9500,
        stock: 30,
    },
    Product {
        seller: 0,
        category: "Kitchen",
        brand: "Tessel & Sons",
        item: "Paring knife 9 cm",
        attributes: &[("blade", "9 cm")],
        title: "Tessel & Sons paring knife, 9 cm",
        description: "\
            Small and light, for everything that is done in the hand: apples, garlic, the eyes of \
            potatoes.",
        price: 3200,
        stock: 75,
    },
    Product {
        seller: 0,
        category: "Kitchen",
        brand: "Alder & Ash",
        item: "Chopping board",
        attributes: &[("wood", "end-grain beech"), ("size", "40 × 28 cm")],
        title: "End-grain chopping board, beech",
        description: "\
            End grain closes again behind the blade, which is kind to knives. Oiled, with a groove for \
            juice on one side.",
        price: 5900,
        stock: 22,
    },
    Product {
        seller: 0,
        category: "Kitchen",
        brand: "Kiln Street",
        item: "Mixing bowls, set of three",
        attributes: &[("pieces", "3"), ("colour", "oat")],
        title: "Three mixing bowls that nest",
        description: "\
            One, two and three litres, with a lip for pouring and a foot that doesn't slide. Glazed \
            inside, bare clay outside.",
        price: 5400,
        stock: 28,
    },
    Product {
        seller: 0,
        category: "Kitchen",
        brand: "Nordhavn",
        item: "Enamel casserole 4 l",
        attributes: &[("capacity", "4 l"), ("colour", "deep green")],
        title: "Nordhavn cast-iron casserole, 4 litres",
        description: "\
            Heavy enough to hold its heat, light enough to lift. For bread, stews and everything that \
            wants three hours in the oven.",
        price: 14900,
        stock: 12,
    },
    Product {
        seller: 0,
        category: "Kitchen",
        brand: "Alder & Ash",
        item: "Wooden spoons, set of four",
        attributes: &[("wood", "cherry"), ("pieces", "4")],
        title: "Four cherry wood spoons",
        description: "\
            A spoon for stirring, one for tasting, one for corners and one with a hole. Finished with \
            linseed oil.",
        price: 2400,
        stock: 90,
    },
    Product {
        seller: 1,
        category: "Audio",
        brand: "Quietbox",
        item: "Bookshelf speaker pair",
        attributes: &[("power", "2 × 40 W"), ("finish", "walnut")],
        title: "Quietbox One, a pair of bookshelf speakers",
        description: "\
            A five-inch paper cone and a silk dome in a walnut box. Easy to drive, at home in rooms of \
            up to 25 square metres.",
        price: 32900,
        stock: 9,
    },
    Product {
        seller: 1,
        category: "Audio",
        brand: "Quietbox",
        item: "Headphones, closed",
        attributes: &[("impedance", "32 ohm")],
        title: "Quietbox Fold headphones",
        description: "\
            Closed, soft and light, and they fold into a coat pocket. Every part that wears out can be \
            bought and changed.",
        price: 15900,
        stock: 40,
    },
    Product {
        seller: 1,
        category: "Audio",
        brand: "Quietbox",
        item: "Portable radio",
        attributes: &[("reception", "DAB+, FM"), ("battery", "18 h")],
        title: "Quietbox kitchen radio",
        description: "\
            Two knobs and a dial. Plays for a day on one charge and remembers the station, which is all \
            a kitchen asks for.",
        price: 11900,
        stock: 26,
    },
    Product {
        seller: 1,
        category: "Audio",
        brand: "Quietbox",
        item: "Turntable",
        attributes: &[("drive", "belt"), ("speeds", "33, 45")],
        title: "Quietbox Arc turntable",
        description: "\
            Belt drive, a carbon arm and a cartridge fitted at the works. The one we keep in our own \
            shop window.",
        price: 41900,
        stock: 1,
    },
    Product {
        seller: 1,
        category: "Audio",
        brand: "Mirador",
        item: "Speaker cable 2 × 3 m",
        attributes: &[("length", "2 × 3 m")],
        title: "Speaker cable, two lengths of three metres",
        description: "\
            Plain copper, 2.5 square millimetres, in a woven sleeve. Banana plugs at both ends.",
        price: 3900,
        stock: 120,
    },
    Product {
        seller: 1,
        category: "Light & Home",
        brand: "Lumen Works",
        item: "Desk lamp",
        attributes: &[("power", "7 W"), ("colour", "signal red")],
        title: "Lumen Works desk lamp with two joints",
        description: "\
            Stands where you put it and stays as you bend it. Warm white, dimmable, and the shade never \
            gets hot.",
        price: 12900,
        stock: 33,
    },
    Product {
        seller: 1,
        category: "Light & Home",
        brand: "Lumen Works",
        item: "Pendant lamp",
        attributes: &[("diameter", "32 cm"), ("finish", "spun brass")],
        title: "Spun brass pendant lamp, 32 cm",
        description: "\
            Spun from one sheet and left unlacquered, so that it darkens with the years. Two metres of \
            cloth cable.",
        price: 18900,
        stock: 14,
    },
    Product {
        seller: 1,
        category: "Light & Home",
        brand: "Lumen Works",
        item: "LED bulb E27, pack of three",
        attributes: &[("power", "8 W"), ("pieces", "3")],
        title: "Three warm white bulbs, E27",
        description: "\
            806 lumens at 2700 kelvin, colour rendering above 95. They dim down to a glow without a \
            flicker.",
        price: 1990,
        stock: 300,
    },
    Product {
        seller: 1,
        category: "Light & Home",
        brand: "Nordhavn",
        item: "Wool blanket",
        attributes: &[("size", "130 × 180 cm"), ("wool", "lambswool")],
        title: "Nordhavn lambswool blanket",
        description: "\
            Woven in a mill that has done nothing else since 1887. Brushed on both sides, fringed at the \
            ends.",
        price: 11500,
        stock: 20,
    },
    Product {
        seller: 1,
        category: "Light & Home",
        brand: "Mirador",
        item: "Wall clock",
        attributes: &[("diameter", "28 cm")],
        title: "Mirador wall clock, silent",
        description: "\
            A sweeping movement without a tick, domed glass, numerals that can be read from across a \
            hall.",
        price: 7400,
        stock: 25,
    },
    Product {
        seller: 1,
        category: "Outdoor",
        brand: "Mirador",
        item: "Vacuum flask 0.75 l",
        attributes: &[("capacity", "0.75 l"), ("colour", "steel")],
        title: "Mirador vacuum flask, 0.75 litres",
        description: "\
            Hot for twelve hours, cold for twenty-four. The lid is a cup, and the stopper pours without \
            being taken out.",
        price: 3600,
        stock: 110,
    },
    Product {
        seller: 1,
        category: "Outdoor",
        brand: "Lumen Works",
        item: "Head torch",
        attributes: &[("output", "400 lm"), ("charging", "USB-C")],
        title: "Lumen Works head torch, 400 lumens",
        description: "\
            One button, three levels and a red light. Charges in an hour and floats when it falls into \
            the lake.",
        price: 4900,
        stock: 64,
    },
    Product {
        seller: 2,
        category: "Outdoor",
        brand: "Alder & Ash",
        item: "Folding stool",
        attributes: &[("wood", "ash"), ("seat", "waxed canvas")],
        title: "Ash folding stool with a canvas seat",
        description: "\
            Opens with one hand, carries 120 kilograms, weighs 1.4. For campfires, sketching and queues.",
        price: 6900,
        stock: 27,
    },
    Product {
        seller: 2,
        category: "Outdoor",
        brand: "Alder & Ash",
        item: "Hatchet",
        attributes: &[("weight", "600 g")],
        title: "Alder & Ash hatchet, hickory handle",
        description: "\
            Hand-forged and sharp out of the box, with a leather sheath. Splits kindling, limbs a log, \
            hangs on a belt.",
        price: 8400,
        stock: 16,
    },
    Product {
        seller: 2,
        category: "Outdoor",
        brand: "Tessel & Sons",
        item: "Pocket knife",
        attributes: &[("blade", "7 cm"), ("handle", "olive wood")],
        title: "Tessel & Sons pocket knife, olive wood",
        description: "\
            A slip joint with one good blade of carbon steel. It goes grey with use; a drop of oil keeps \
            it well.",
        price: 5600,
        stock: 45,
    },
    Product {
        seller: 2,
        category: "Outdoor",
        brand: "Nordhavn",
        item: "Waxed rucksack 22 l",
        attributes: &[("capacity", "22 l"), ("colour", "peat")],
        title: "Nordhavn rucksack in waxed cotton, 22 litres",
        description: "\
            One large compartment, two pockets, straps of bridle leather. Sheds rain for an hour, and \
            can be waxed anew.",
        price: 17900,
        stock: 0,
    },
    Product {
        seller: 2,
        category: "Desk & Paper",
        brand: "Papermoon",
        item: "Notebook A5, dotted",
        attributes: &[("pages", "192"), ("paper", "100 g/m²")],
        title: "Papermoon notebook, A5, dotted",
        description: "\
            Sewn so that it lies flat, on paper that fountain pens like. Numbered pages and an empty \
            index to fill.",
        price: 1800,
        stock: 250,
    },
    Product {
        seller: 2,
        category: "Desk & Paper",
        brand: "Papermoon",
        item: "Letter set",
        attributes: &[("pieces", "20 sheets, 20 envelopes")],
        title: "Papermoon letter set, laid paper",
        description: "\
            Twenty sheets and twenty lined envelopes of laid cotton paper in a box that is worth \
            keeping.",
        price: 2200,
        stock: 85,
    },
    Product {
        seller: 2,
        category: "Desk & Paper",
        brand: "Papermoon",
        item: "Fountain pen, medium",
        attributes: &[("nib", "steel, medium")],
        title: "Papermoon fountain pen, medium nib",
        description: "\
            A round brass body with a lacquer that wears at the edges. Takes cartridges or its own \
            converter.",
        price: 5200,
        stock: 38,
    },
    Product {
        seller: 2,
        category: "Desk & Paper",
        brand: "Papermoon",
        item: "Ink 50 ml",
        attributes: &[("volume", "50 ml"), ("colour", "storm blue")],
        title: "Storm blue ink, 50 ml",
        description: "\
            A blue with much grey in it, which shades as it dries. Washes out of hands and, given time, \
            out of shirts.",
        price: 1400,
        stock: 140,
    },
    Product {
        seller: 2,
        category: "Desk & Paper",
        brand: "Alder & Ash",
        item: "Desk tray",
        attributes: &[("wood", "oak"), ("size", "A4")],
        title: "Oak desk tray for A4",
        description: "\
            Finger joints, felt below, room for a week of paper. Trays stand on one another without a \
            frame.",
        price: 4500,
        stock: 32,
    },
    Product {
        seller: 2,
        category: "Desk & Paper",
        brand: "Alder & Ash",
        item: "Pencil box",
        attributes: &[("wood", "walnut")],
        title: "Walnut pencil box with a sliding lid",
        description: "\
            Cut from one piece of walnut; the grain of the lid goes on in the box. Holds eighteen \
            pencils and a knife.",
        price: 3400,
        stock: 48,
    },
    Product {
        seller: 2,
        category: "Light & Home",
        brand: "Kiln Street",
        item: "Vase, tall",
        attributes: &[("height", "31 cm"), ("colour", "iron black")],
        title: "Kiln Street vase, tall, iron black",
        description: "For three long stems or none. The glaze breaks to rust where the clay turns.",
        price: 6200,
        stock: 15,
    },
    Product {
        seller: 2,
        category: "Kitchen",
        brand: "Kiln Street",
        item: "Plates 26 cm, set of four",
        attributes: &[("diameter", "26 cm"), ("pieces", "4")],
        title: "Four dinner plates in oat glaze",
        description: "\
            Wide, with a low rim that keeps the sauce in. For the oven, the table and the dishwasher.",
        price: 8800,
        stock: 21,
    },
];
