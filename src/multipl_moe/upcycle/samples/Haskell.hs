{-# LANGUAGE LambdaCase #-}
{-# LANGUAGE OverloadedStrings, RecordWildCards #-}

module Shop.Cart
  ( Cart (..)
  , emptyCart
  , total
  ) where

import Control.Monad (forM_, unless, when)
import qualified Data.Map.Strict as Map
import Data.Maybe (fromMaybe, mapMaybe)
import Data.Text (Text)
import qualified Data.Text as T

-- | What lies in a cart, and for whom.
data Cart = Cart
  { cartOwner :: !Text
  , cartItems :: Map.Map Text Int
  , cartPaid  :: Bool
  } deriving (Eq, Show)

newtype Price = Price { cents :: Int }
  deriving newtype (Eq, Ord, Num)

data Shape a
  = Circle a
  | Square a
  | Empty
  deriving (Functor, Show)

emptyCart :: Text -> Cart
emptyCart owner = Cart { cartOwner = owner, cartItems = Map.empty, cartPaid = False }

total :: Map.Map Text Price -> Cart -> Either String Price
total prices Cart{..} = sum <$> traverse priceOf (Map.toList cartItems)
  where
    priceOf (name, count) = case Map.lookup name prices of
      Nothing -> Left ("no price for " ++ T.unpack name)
      Just (Price p)
        | count < 0 -> Left "negative"
        | otherwise -> Right (Price (p * count))

class Area s where
  area :: Floating a => s a -> a
  isFlat :: s a -> Bool
  isFlat _ = False

instance Area Shape where
  area (Circle r) = pi * r ^ (2 :: Int)
  area (Square a) = a * a
  area Empty      = 0

instance Semigroup Cart where
  a <> b = a { cartItems = Map.unionWith (+) (cartItems a) (cartItems b) }


newtype Parser a = Parser { runParser :: String -> Maybe (a, String) }

instance Functor Parser where
  fmap f (Parser p) = Parser $ \s -> case p s of
    Just (x, rest) -> Just (f x, rest)
    Nothing        -> Nothing

instance Applicative Parser where
  pure x = Parser $ \s -> Just (x, s)
  Parser pf <*> Parser px = Parser $ \s -> do
    (f, rest) <- pf s
    (x, rest') <- px rest
    return (f x, rest')

satisfy :: (Char -> Bool) -> Parser Char
satisfy ok = Parser $ \case
  (c:cs) | ok c -> Just (c, cs)
  _             -> Nothing

number :: Parser Int
number = read <$> some (satisfy isDigit)

expression, term :: Parser Int
expression = foldr ($) <$> term <*> many ((+) <$> (char '+' *> term))
term = number <|> char '(' *> expression <* char ')'


primes :: [Integer]
primes = sieve [2 ..]
  where sieve (p:xs) = p : sieve [x | x <- xs, x `mod` p /= 0]
        sieve []     = []

quicksort :: Ord a => [a] -> [a]
quicksort [] = []
quicksort (x:xs) = quicksort smaller ++ [x] ++ quicksort larger
  where
    (smaller, larger) = partition (<= x) xs

data Tree k v = Leaf | Node (Tree k v) k v (Tree k v)

insert :: Ord k => k -> v -> Tree k v -> Tree k v
insert k v Leaf = Node Leaf k v Leaf
insert k v t@(Node l k' v' r)
  | k < k'    = Node (insert k v l) k' v' r
  | k > k'    = Node l k' v' (insert k v r)
  | otherwise = t

foldTree :: (b -> k -> v -> b) -> b -> Tree k v -> b
foldTree _ z Leaf           = z
foldTree f z (Node l k v r) = let z' = foldTree f z l in foldTree f (f z' k v) r


main :: IO ()
main = do
  args <- getArgs
  contents <- case args of
    [path] -> readFile path
    _      -> getContents
  counter <- newIORef (0 :: Int)
  forM_ (zip [1 :: Int ..] (lines contents)) $ \(i, line) -> do
    unless (null line) $ modifyIORef' counter (+ 1)
    when (length line > 80) $
      hPutStrLn stderr (show i ++ ": too long")
  n <- readIORef counter
  let counts = Map.fromListWith (+) [(w, 1 :: Int) | w <- words contents]
      top = take 10 . sortOn (Down . snd) $ Map.toList counts
  mapM_ (\(w, c) -> putStrLn $ w ++ "\t" ++ show c) top
  result <- try (evaluate (n `div` 0)) :: IO (Either ArithException Int)
  either (const $ putStrLn "no result") print result
